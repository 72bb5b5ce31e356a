"""Attention mechanisms for Keras: score, mask, normalize, read.

Dimensions: `batch` (B), queries (Tq), keys (Tk), widths of query, key and value (Dq, Dk, Dv),
`units`. Masks are bool, True = visible.
"""

from keras_attention import (
    callbacks,
    decoding,
    explain,
    export,
    mask,
    memory,
    migrate,
    normalize,
    read,
    score,
    testing,
    visualize,
)
from keras_attention.attention_loss import AttentionLoss
from keras_attention.explain.attention_weights import attention_weights
from keras_attention.layers import (
    AdditiveAttention,
    Attention,
    AttentionDecoder,
    AttentionPooling,
    BagOfWords,
    DeepFusionDecoder,
    Dropout,
    EachStep,
    GraphAttention,
    HardAttention,
    LocalAttention,
    LocationAwareAttention,
    LSTMNCell,
    LuongAttention,
    MonotonicAttention,
    MultiHeadAttention,
    MultiHeadSelfAttention,
    MultiHopAttention,
    NTMCell,
    PatchEmbedding,
    PointerDecoder,
    PositionalEncoding,
    RecurrentGlimpses,
    ResidualStack,
    SelfAttention2D,
    TimeReduction,
    TransformerDecoderBlock,
    TransformerEncoderBlock,
)
from keras_attention.layers.multi_head.keras_weights import (
    multi_head_from_keras,
    multi_head_to_keras,
)
from keras_attention.layers.multi_head.key_value_cache import KeyValueCache
from keras_attention.layers.recurrent.decoder_state import DecoderState
from keras_attention.layers.reinforce.reinforce import reinforce
from keras_attention.layers.reinforce.reinforce_model import ReinforceModel
from keras_attention.layers.transformer.decoder_cache import DecoderBlockCache

__version__ = "0.1.0"

__all__ = [
    "AdditiveAttention",
    "Attention",
    "AttentionDecoder",
    "AttentionLoss",
    "AttentionPooling",
    "BagOfWords",
    "DecoderBlockCache",
    "DecoderState",
    "DeepFusionDecoder",
    "Dropout",
    "EachStep",
    "GraphAttention",
    "HardAttention",
    "KeyValueCache",
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
    "ReinforceModel",
    "ResidualStack",
    "SelfAttention2D",
    "TimeReduction",
    "TransformerDecoderBlock",
    "TransformerEncoderBlock",
    "attention_weights",
    "callbacks",
    "decoding",
    "explain",
    "export",
    "mask",
    "memory",
    "migrate",
    "multi_head_from_keras",
    "multi_head_to_keras",
    "normalize",
    "read",
    "reinforce",
    "score",
    "testing",
    "visualize",
]
