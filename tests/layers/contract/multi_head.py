"""Contract cases of MultiHeadAttention and MultiHeadSelfAttention."""

import numpy as np
from keras import ops

import keras_attention
from keras_attention.testing import request_scores
from keras_attention.testing.data import BATCH, KEYS, QUERIES
from tests.layers.contract.common import DROPOUT, INITIALIZERS, Case


@request_scores
def call_with_heads(layer, query, value, query_mask, value_mask, **options):
    """Return the output and the mean of the heads' weights."""
    result = layer([query, value], mask=[query_mask, value_mask], **options)
    if not isinstance(result, tuple):
        return result
    return result[0], ops.mean(result[1], axis=1)


BIAS = {"attention_bias": np.zeros((BATCH, 2, QUERIES, KEYS), "float32")}  # 2 heads

ROWS = {
    "multi_head": Case(
        keras_attention.MultiHeadAttention,
        {"num_heads": 2, "key_dim": 3},
        call=call_with_heads,
        call_arguments=BIAS,
        all_arguments={
            **INITIALIZERS,
            "num_heads": 6,
            "key_dim": 5,
            "value_dim": 7,
            "num_key_value_heads": 3,
            "use_bias": False,
            "dropout": 0.25,
            "seed": 3,
            "bias_initializer": "ones",
            "implementation": "plain",
        },
        wrong_arguments=[
            *DROPOUT,
            ({"num_heads": 0}, "num_heads=0"),
            ({"key_dim": 0}, "key_dim=0"),
            ({"value_dim": 1.5}, "value_dim=1.5"),
            ({"num_key_value_heads": 3}, "num_key_value_heads=3, num_heads=2"),
            ({"use_bias": "yes"}, "use_bias='yes'"),
            ({"implementation": "flash"}, "implementation='flash'"),
        ],
    ),
    "multi_head_grouped": Case(
        keras_attention.MultiHeadAttention,
        {"num_heads": 6, "key_dim": 2, "value_dim": 3, "num_key_value_heads": 2},
        call=call_with_heads,
    ),
    "multi_head_self": Case(
        keras_attention.MultiHeadSelfAttention,
        {"num_heads": 2, "key_dim": 4},
        call=call_with_heads,
        call_arguments=BIAS,
        all_arguments={
            **INITIALIZERS,
            "num_heads": 6,
            "key_dim": 2,
            "value_dim": 7,
            "num_key_value_heads": 3,
            "use_bias": False,
            "window": 3,
            "rotary_base": 50.0,
            "dropout": 0.25,
            "seed": 3,
            "bias_initializer": "ones",
            "implementation": "plain",
        },
        wrong_arguments=[
            *DROPOUT,
            ({"num_key_value_heads": 5}, "num_key_value_heads=5, num_heads=2"),
            ({"window": 0}, "window=0"),
            ({"rotary_base": 1}, "rotary_base=1"),
        ],
    ),
    "multi_head_window_rotary": Case(
        keras_attention.MultiHeadSelfAttention,
        {"num_heads": 4, "key_dim": 2, "window": 5, "rotary_base": 100.0, "num_key_value_heads": 2},
        call=call_with_heads,
        treats_keys_alike=False,
    ),
    "multi_head_blockwise": Case(
        keras_attention.MultiHeadAttention,
        {
            "num_heads": 6,
            "key_dim": 2,
            "num_key_value_heads": 2,
            "implementation": "blockwise",
        },
        call=call_with_heads,
    ),
    "multi_head_self_blockwise": Case(
        keras_attention.MultiHeadSelfAttention,
        {"num_heads": 2, "key_dim": 4, "window": 5, "implementation": "blockwise"},
        call=call_with_heads,
        treats_keys_alike=False,
    ),
}
