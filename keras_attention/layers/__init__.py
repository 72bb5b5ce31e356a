"""Keras layers for the attention mechanisms of the literature, one folder for each family."""

from keras_attention.layers.attention_pooling import AttentionPooling
from keras_attention.layers.dropout import Dropout
from keras_attention.layers.each_step import EachStep
from keras_attention.layers.graph.graph_attention import GraphAttention
from keras_attention.layers.memory_network.bag_of_words import BagOfWords
from keras_attention.layers.memory_network.multi_hop_attention import MultiHopAttention
from keras_attention.layers.multi_head.multi_head_attention import MultiHeadAttention
from keras_attention.layers.multi_head.multi_head_self_attention import MultiHeadSelfAttention
from keras_attention.layers.neural_turing_machine.ntm_cell import NTMCell
from keras_attention.layers.patch_embedding import PatchEmbedding
from keras_attention.layers.pointer.pointer_decoder import PointerDecoder
from keras_attention.layers.positions.positional_encoding import PositionalEncoding
from keras_attention.layers.query_value.additive_attention import AdditiveAttention
from keras_attention.layers.query_value.attention import Attention
from keras_attention.layers.query_value.hard_attention import HardAttention
from keras_attention.layers.query_value.local_attention import LocalAttention
from keras_attention.layers.query_value.location_aware_attention import LocationAwareAttention
from keras_attention.layers.query_value.luong_attention import LuongAttention
from keras_attention.layers.query_value.monotonic_attention import MonotonicAttention
from keras_attention.layers.recurrent.attention_decoder import AttentionDecoder
from keras_attention.layers.recurrent.deep_fusion_decoder import DeepFusionDecoder
from keras_attention.layers.recurrent.lstmn_cell import LSTMNCell
from keras_attention.layers.recurrent.residual_stack import ResidualStack
from keras_attention.layers.recurrent_glimpses import RecurrentGlimpses
from keras_attention.layers.self_attention_2d import SelfAttention2D
from keras_attention.layers.time_reduction import TimeReduction
from keras_attention.layers.transformer.transformer_decoder_block import TransformerDecoderBlock
from keras_attention.layers.transformer.transformer_encoder_block import TransformerEncoderBlock

__all__ = [
    "AdditiveAttention",
    "Attention",
    "AttentionDecoder",
    "AttentionPooling",
    "BagOfWords",
    "DeepFusionDecoder",
    "Dropout",
    "EachStep",
    "GraphAttention",
    "HardAttention",
    "LSTMNCell",
    "LocalAttention",
    "LocationAwareAttention",
    "LuongAttention",
    "MonotonicAttention",
    "MultiHeadAttention",
    "MultiHeadSelfAttention",
    "MultiHopAttention",
    "NTMCell",
    "PatchEmbedding",
    "PointerDecoder",
    "PositionalEncoding",
    "RecurrentGlimpses",
    "ResidualStack",
    "SelfAttention2D",
    "TimeReduction",
    "TransformerDecoderBlock",
    "TransformerEncoderBlock",
]
