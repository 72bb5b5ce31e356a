"""Contract cases of TransformerEncoderBlock and TransformerDecoderBlock."""

import keras
from keras import ops

import keras_attention
from keras_attention.testing import request_scores
from tests.layers.contract.common import DROPOUT, Case


@keras.saving.register_keras_serializable(package="tests")
class SplitQueries(keras.layers.Layer):
    """Keep the outputs of the queries, which follow the keys, and their weights on the keys."""

    supports_masking = True

    def compute_mask(self, *inputs):
        return None

    def call(self, output, weights, query):
        last = ops.shape(output)[1] - ops.shape(query)[1]
        return output[:, last:], ops.mean(weights[:, :, last:, :last], axis=1)

    def compute_output_spec(self, output, weights, query):
        batch, queries, _ = query.shape
        keys = None if None in (queries, weights.shape[3]) else weights.shape[3] - queries
        return (
            keras.KerasTensor((batch, queries, output.shape[2]), output.dtype),
            keras.KerasTensor((batch, queries, keys), weights.dtype),
        )


@request_scores
def call_encoder(layer, query, value, query_mask, value_mask, **options):
    """Encode one sequence: the keys, then the queries. Only the keys are visible."""
    is_key = ops.concatenate([ops.ones_like(value[..., 0]), ops.zeros_like(query[..., 0])], 1)
    masks = [
        ops.ones_like(x[..., 0], dtype="bool") if mask is None else mask
        for x, mask in ((value, value_mask), (query, query_mask))
    ]
    output, weights = layer(
        ops.concatenate([value, query], 1),
        mask=ops.concatenate(masks, 1),
        attention_mask=ops.expand_dims(ops.cast(is_key, "bool"), 1),
        **{**options, "return_attention_scores": True},
    )
    output, weights = SplitQueries(dtype=layer.dtype_policy.name)(output, weights, query)
    return (output, weights) if options["return_attention_scores"] else output


@request_scores
def call_decoder_block(layer, query, value, query_mask, value_mask, **options):
    """Return the output and the mean of the heads' weights on the memory."""
    result = layer(query, value, inputs_mask=query_mask, memory_mask=value_mask, **options)
    if not isinstance(result, tuple):
        return result
    return result[0], ops.mean(result[2], axis=1)


BLOCK = {"fully_masked_output_is_zero": False, "takes_attention_mask": False}

BLOCK_ARGUMENTS = {
    "all_arguments": {
        "num_heads": 6,
        "hidden_dim": 7,
        "key_dim": 2,
        "num_key_value_heads": 3,
        "dropout": 0.25,
        "attention_dropout": 0.125,
        "norm": "pre",
        "implementation": "plain",
        "activation": "gelu",
        "window": 2,
        "rotary_base": 50.0,
        "use_bias": False,
        "seed": 3,
        "layer_norm_epsilon": 1e-4,
        "kernel_initializer": "he_normal",
        "bias_initializer": "ones",
    },
    "wrong_arguments": [
        ({"implementation": "fast"}, "implementation='fast'"),
        ({"layer_norm_epsilon": 0}, "layer_norm_epsilon=0"),
        *DROPOUT,
        ({"num_heads": 0}, "num_heads=0"),
        ({"hidden_dim": 1.5}, "hidden_dim=1.5"),
        ({"key_dim": -1}, "key_dim=-1"),
        ({"num_key_value_heads": 3}, "num_key_value_heads=3, num_heads=5"),
        ({"attention_dropout": 2}, "attention_dropout=2"),
        ({"norm": "both"}, "norm='both'"),
        ({"window": -1}, "window=-1"),
        ({"rotary_base": "yes"}, "rotary_base='yes'"),
        ({"use_bias": 1}, "use_bias=1"),
        ({"seed": "a"}, "seed='a'"),
    ],
}

ROWS = {
    "encoder_block": Case(
        keras_attention.TransformerEncoderBlock,
        {"num_heads": 5, "hidden_dim": 11},
        call=call_encoder,
        **BLOCK,
        **BLOCK_ARGUMENTS,
    ),
    "encoder_block_pre_norm": Case(
        keras_attention.TransformerEncoderBlock,
        {"num_heads": 2, "key_dim": 3, "hidden_dim": 11, "norm": "pre"},
        call=call_encoder,
        **BLOCK,
    ),
    "decoder_block": Case(
        keras_attention.TransformerDecoderBlock,
        {"num_heads": 5, "hidden_dim": 11},
        call=call_decoder_block,
        **BLOCK,
        **BLOCK_ARGUMENTS,
    ),
    "decoder_block_pre_norm": Case(
        keras_attention.TransformerDecoderBlock,
        {"num_heads": 2, "key_dim": 3, "hidden_dim": 11, "norm": "pre", "window": 2},
        call=call_decoder_block,
        **BLOCK,
    ),
}
