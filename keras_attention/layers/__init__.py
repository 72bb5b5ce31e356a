"""One mechanism of the literature per file: projections and the four steps, in that order."""

from keras_attention.layers.additive_attention import AdditiveAttention
from keras_attention.layers.attention import Attention
from keras_attention.layers.attention_decoder import AttentionDecoder
from keras_attention.layers.attention_pooling import AttentionPooling
from keras_attention.layers.luong_attention import LuongAttention

__all__ = [
    "AdditiveAttention",
    "Attention",
    "AttentionDecoder",
    "AttentionPooling",
    "LuongAttention",
]
