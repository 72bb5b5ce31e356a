"""Contract cases of PositionalEncoding."""

import numpy as np
from keras import ops

import keras_attention
from keras_attention.testing import request_scores
from keras_attention.testing.data import BATCH
from tests.layers.contract.common import Case


@request_scores
def call_positional_encoding(layer, query, value, query_mask, value_mask, **options):
    """Return zeros as the weights: the layer computes no attention."""
    output = layer(query)
    rows, columns = (ops.cast(ops.zeros_like(x[..., 0]), output.dtype) for x in (query, value))
    weights = ops.expand_dims(rows, 2) + ops.expand_dims(columns, 1)
    return (output, weights) if options["return_attention_scores"] else output


ROWS = {
    "positional_encoding": Case(
        keras_attention.PositionalEncoding,
        call=call_positional_encoding,
        takes_masks=False,
        treats_keys_alike=False,
        call_arguments={"start": np.zeros(BATCH, "int32")},
        takes_attention_mask=False,
        all_arguments={"base": 100.0, "scale": True},
        wrong_arguments=[({"base": 0}, "base=0"), ({"scale": 2}, "scale=2")],
    ),
}
