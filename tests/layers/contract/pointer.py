"""Contract cases of PointerDecoder."""

import functools

import keras
from keras import ops

import keras_attention
from keras_attention.mask import hide
from keras_attention.testing import request_scores
from tests.layers.contract.common import (
    INITIALIZERS,
    MAX_CELL_INPUT,
    Case,
    call_decoder,
    create_gru_cell,
    create_lstm_cell,
    create_states,
)


@request_scores
def call_pointer(layer, query, value, query_mask, value_mask, **options):
    """Return `sum_j p_j log p_j value_j` as the output.

    The layer's own output has one log-probability per key. This sum has the width of a value, as
    the contract expects. It is zero if every key is masked, and in padded steps, where log p is 0.
    """
    result = call_decoder(layer, query, value, query_mask, value_mask, **options)
    log_probabilities, *weights = result if options["return_attention_scores"] else [result]
    elements = log_probabilities[..., 1:] if layer.end_slot else log_probabilities
    values = ops.cast(hide(value, value_mask), elements.dtype)
    output = ops.cast(ops.matmul(ops.exp(elements) * elements, values), layer.compute_dtype)
    if not weights:
        return output
    return output, weights[0][..., 1:] if layer.end_slot else weights[0]


@request_scores
def call_pointer_by_index(layer, query, value, query_mask, value_mask, **options):
    """Call a pointer on indices from 0 to 3, which the signs of the queries encode."""
    first, second = (ops.cast(query[..., i] > 0, "int32") for i in range(2))
    indices = ops.add(first, ops.multiply(second, 2))
    return call_pointer(layer, indices, value, query_mask, value_mask, points=value, **options)


NO_BEGIN = {"begin_initializer": None}  # the begin symbol is used only in calls with `points`

POINTER = {"max_input": MAX_CELL_INPUT, "takes_attention_mask": False, "call": call_pointer}

ROWS = {
    "pointer": Case(
        keras_attention.PointerDecoder,
        {"units": 7, "cell": lambda: create_lstm_cell(3), **NO_BEGIN},
        call_arguments=create_states(3, 3),
        all_arguments={
            **INITIALIZERS,
            "units": 5,
            "cell": lambda: create_gru_cell(5),
            "end_slot": True,
            "scale_initializer": "ones",
            "begin_initializer": "ones",
            "end_initializer": "zeros",
            "implementation": "plain",
        },
        wrong_arguments=[
            ({"implementation": "fast"}, "implementation='fast'"),
            ({"units": 0}, "units=0"),
            ({"cell": lambda: keras.layers.Dense(3)}, "cell="),
            ({"end_slot": "yes"}, "end_slot='yes'"),
        ],
        **POINTER,
    ),
    "pointer_with_an_end": Case(
        keras_attention.PointerDecoder,
        {
            "units": 7,
            "cell": lambda: create_lstm_cell(3),
            "end_slot": True,
            **NO_BEGIN,
        },
        weights_sum_to_one=False,  # the rest is the probability of the end
        **POINTER,
    ),
    "pointer_by_index": Case(
        keras_attention.PointerDecoder,
        {"units": 7, "cell": lambda: create_lstm_cell(3)},
        **{**POINTER, "call": functools.partial(call_pointer_by_index, mask_visited=True)},
        treats_keys_alike=False,
    ),
}
