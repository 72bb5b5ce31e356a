"""One mechanism of the literature per file: projections and the four steps, in that order."""

from keras_attention.layers.additive_attention import AdditiveAttention
from keras_attention.layers.attention import Attention
from keras_attention.layers.attention_decoder import AttentionDecoder
from keras_attention.layers.attention_pooling import AttentionPooling
from keras_attention.layers.hard_attention import HardAttention
from keras_attention.layers.local_attention import LocalAttention
from keras_attention.layers.luong_attention import LuongAttention
from keras_attention.layers.multi_head_attention import MultiHeadAttention
from keras_attention.layers.multi_head_self_attention import MultiHeadSelfAttention
from keras_attention.layers.ntm_cell import NTMCell
from keras_attention.layers.pointer_decoder import PointerDecoder
from keras_attention.layers.positional_encoding import PositionalEncoding
from keras_attention.layers.self_attention_2d import SelfAttention2D
from keras_attention.layers.transformer_decoder_block import TransformerDecoderBlock
from keras_attention.layers.transformer_encoder_block import TransformerEncoderBlock

__all__ = [
    "AdditiveAttention",
    "Attention",
    "AttentionDecoder",
    "AttentionPooling",
    "HardAttention",
    "LocalAttention",
    "LuongAttention",
    "MultiHeadAttention",
    "MultiHeadSelfAttention",
    "NTMCell",
    "PointerDecoder",
    "PositionalEncoding",
    "SelfAttention2D",
    "TransformerDecoderBlock",
    "TransformerEncoderBlock",
]
