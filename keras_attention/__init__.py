"""Attention mechanisms for Keras: score, mask, normalize, read.

Dimensions: `batch` (B), queries (Tq), keys (Tk), widths of query, key and value (Dq, Dk, Dv),
`units`. Masks are bool, True = may be seen.
"""

from keras_attention import decoding, export, mask, normalize, read, score, visualize
from keras_attention.layers import (
    AdditiveAttention,
    Attention,
    AttentionDecoder,
    AttentionPooling,
    LuongAttention,
)
from keras_attention.layers.decoder_state import DecoderState

__version__ = "0.1.0"

__all__ = [
    "AdditiveAttention",
    "Attention",
    "AttentionDecoder",
    "AttentionPooling",
    "DecoderState",
    "LuongAttention",
    "decoding",
    "export",
    "mask",
    "normalize",
    "read",
    "score",
    "visualize",
]
