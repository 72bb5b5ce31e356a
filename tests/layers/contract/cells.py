"""Contract cases of LSTMNCell, DeepFusionDecoder and ResidualStack."""

import keras
from keras import ops

import keras_attention
from keras_attention.testing import request_scores
from tests.layers.contract.common import MAX_CELL_INPUT, Case, create_gru_cell, create_lstm_cell
from tests.layers.contract.neural_turing_machine import IN_RNN


def run(layer, value, options):
    return keras.layers.RNN(layer, return_sequences=True, dtype=layer.dtype_policy)(
        value, **options
    )


@request_scores
def call_lstmn(layer, query, value, query_mask, value_mask, **options):
    """Run the cell over the values; return the outputs and the last step's weights."""
    returns_weights = options.pop("return_attention_scores")
    outputs = run(layer, value, options)
    if not returns_weights:
        return outputs
    return outputs, outputs[:, -1, layer.units : layer.units + layer.max_length]


@request_scores
def call_stack(layer, query, value, query_mask, value_mask, **options):
    """Run the stack over the values; return zeros as the weights: it computes no attention."""
    returns_weights = options.pop("return_attention_scores")
    outputs = run(layer, value, options)
    weights = ops.cast(ops.zeros_like(value[..., 0]), outputs.dtype)
    return (outputs, weights) if returns_weights else outputs


@request_scores
def call_deep_fusion(layer, query, value, query_mask, value_mask, **options):
    """Call the decoder on inputs `query` and the memory `value`, whose parts are its cells."""
    cells = value[..., : layer.units]
    return layer(query, value, cells, inputs_mask=query_mask, memory_mask=value_mask, **options)


ROWS = {
    "lstmn": Case(
        keras_attention.LSTMNCell,
        {"units": 3, "max_length": 7, "attention_units": 4, "return_weights": True},
        all_arguments={
            "units": 5,
            "max_length": 9,
            "attention_units": 3,
            "return_weights": True,
            "return_cells": True,
            "kernel_initializer": "he_normal",
            "kernel_regularizer": "l2",
        },
        exclusive_arguments=("return_weights",),  # True in the case itself, to get the weights
        wrong_arguments=[
            ({"units": 0}, "units=0"),
            ({"max_length": 2.5}, "max_length=2.5"),
            ({"attention_units": -1}, "attention_units=-1"),
            ({"return_weights": 1}, "return_weights=1"),
            ({"return_cells": "yes"}, "return_cells='yes'"),
        ],
        **{**IN_RNN, "call": call_lstmn},
    ),
    "deep_fusion": Case(
        keras_attention.DeepFusionDecoder,
        {"units": 3, "max_length": 20},
        call=call_deep_fusion,
        takes_attention_mask=False,
        fully_masked_output_is_zero=False,
        all_arguments={
            "units": 5,
            "max_length": 9,
            "attention_units": 2,
            "kernel_initializer": "he_normal",
            "kernel_regularizer": "l2",
        },
        wrong_arguments=[
            ({"units": 0}, "units=0"),
            ({"max_length": None}, "max_length=None"),
            ({"attention_units": 1.5}, "attention_units=1.5"),
        ],
    ),
    "residual_stack": Case(
        keras_attention.ResidualStack,
        {
            "cells": lambda: [create_lstm_cell(3), create_gru_cell(4), create_lstm_cell(4)],
            "shared_width": 2,
        },
        max_input=MAX_CELL_INPUT,
        all_arguments={
            "cells": lambda: [create_gru_cell(5), create_lstm_cell(5)],
            "residual_from": 1,
            "shared_width": 1,
        },
        wrong_arguments=[
            ({"cells": []}, "cells="),
            ({"cells": lambda: keras.layers.LSTMCell(3)}, "cells="),
            ({"cells": lambda: [keras.layers.LSTM(3)]}, "cells[0]="),
            ({"residual_from": -1}, "residual_from=-1"),
            ({"shared_width": 1.5}, "shared_width=1.5"),
        ],
        **{**IN_RNN, "call": call_stack},
    ),
}
