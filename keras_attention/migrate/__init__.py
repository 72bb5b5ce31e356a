"""Convert layers and weights of other libraries to layers of this package.

The libraries are imported only by the functions that need them, or not at all.
"""

from keras_attention.layers.multi_head.keras_weights import (
    multi_head_from_keras,
    multi_head_to_keras,
)
from keras_attention.migrate.from_addons import attention_decoder_from_addons, attention_from_addons
from keras_attention.migrate.from_keras_hub import (
    decoder_block_from_keras_hub,
    encoder_block_from_keras_hub,
)
from keras_attention.migrate.from_torch import (
    decoder_block_from_torch,
    decoder_from_torch,
    encoder_block_from_torch,
    encoder_from_torch,
    multi_head_from_torch,
    transformer_from_torch,
)
from keras_attention.migrate.linear_attention import LinearAttention, LinearMonotonicAttention

__all__ = [
    "LinearAttention",
    "LinearMonotonicAttention",
    "attention_decoder_from_addons",
    "attention_from_addons",
    "decoder_block_from_keras_hub",
    "decoder_block_from_torch",
    "decoder_from_torch",
    "encoder_block_from_keras_hub",
    "encoder_block_from_torch",
    "encoder_from_torch",
    "multi_head_from_keras",
    "multi_head_from_torch",
    "multi_head_to_keras",
    "transformer_from_torch",
]
