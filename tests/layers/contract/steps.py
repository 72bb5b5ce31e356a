"""Contract cases of Dropout, EachStep and TimeReduction."""

from keras import ops

import keras_attention
from keras_attention.testing import request_scores
from tests.layers.contract.common import Case


@request_scores
def call_each_step(layer, query, value, query_mask, value_mask, **options):
    """Call the layer on two sequences per sample, the values and their halves; return the first."""
    mask = None if value_mask is None else ops.stack([value_mask, value_mask], axis=1)
    inputs = ops.stack([value, ops.multiply(value, 0.5)], axis=1)
    result = layer(inputs, mask=mask, **options)
    return tuple(x[:, 0] for x in result) if isinstance(result, tuple) else result[:, 0]


@request_scores
def call_time_reduction(layer, query, value, query_mask, value_mask, **options):
    """Return the sum of the groups, and zeros as the weights: the layer computes no attention."""
    output = ops.sum(layer(value, mask=value_mask), axis=1)
    weights = ops.cast(ops.zeros_like(value[..., 0]), output.dtype)
    return (output, weights) if options["return_attention_scores"] else output


@request_scores
def call_dropout(layer, query, value, query_mask, value_mask, **options):
    """Return zeros as the weights: the layer computes no attention."""
    output = layer(query, training=options.get("training"))
    rows, columns = (ops.cast(ops.zeros_like(x[..., 0]), output.dtype) for x in (query, value))
    weights = ops.expand_dims(rows, 2) + ops.expand_dims(columns, 1)
    return (output, weights) if options["return_attention_scores"] else output


ROWS = {
    "dropout": Case(
        keras_attention.Dropout,
        # Without `noise_shape`, no rank of the inputs would be invalid.
        {"rate": 0.5, "noise_shape": (None, None, None)},
        call=call_dropout,
        takes_masks=False,
        takes_attention_mask=False,
        treats_keys_alike=False,
        all_arguments={"rate": 0.25, "noise_shape": (None, None, 1), "seed": 1},
        wrong_arguments=[
            ({"rate": 1.5}, "rate=1.5"),
            ({"noise_shape": (0, 1)}, "noise_shape=(0, 1)"),
            ({"seed": "one"}, "seed='one'"),
        ],
    ),
    "each_step": Case(
        keras_attention.EachStep,
        {"layer": keras_attention.AttentionPooling},
        call=call_each_step,
        takes_attention_mask=False,
        takes_query=False,
        all_arguments={"layer": lambda: keras_attention.AttentionPooling(7)},
        wrong_arguments=[({"layer": 3}, "layer=3"), ({"layer": "GRU"}, "layer='GRU'")],
    ),
    "time_reduction": Case(
        keras_attention.TimeReduction,
        call=call_time_reduction,
        takes_attention_mask=False,
        takes_query=False,
        treats_keys_alike=False,
        all_arguments={"factor": 3},
        wrong_arguments=[({"factor": 0}, "factor=0"), ({"factor": 2.0}, "factor=2.0")],
    ),
}
