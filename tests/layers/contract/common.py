"""What the contract cases of all families share: their class, arguments and calls."""

import functools

import keras
import numpy as np

from keras_attention.testing import LayerCase, request_scores
from keras_attention.testing.data import BATCH

Case = functools.partial(LayerCase, package="keras_attention")

INITIALIZERS = {"kernel_initializer": "he_normal", "kernel_regularizer": "l2"}
DROPOUT = [
    ({"dropout": 1.5}, "dropout=1.5"),
    ({"dropout": "half"}, "dropout='half'"),
]
# TensorFlow has no QR decomposition in bfloat16, so cells get no orthogonal initializer.
NO_QR = {"recurrent_initializer": "glorot_uniform"}
# Larger inputs overflow in a Keras cell, which multiplies them in the compute dtype.
MAX_CELL_INPUT = 100.0


def create_gru_cell(units):
    return keras.layers.GRUCell(units, **NO_QR)


def create_lstm_cell(units):
    return keras.layers.LSTMCell(units, **NO_QR)


def create_states(*widths):
    """Return the argument `initial_state` of a cell whose states have these widths."""
    return {"initial_state": [np.zeros((BATCH, width), "float32") for width in widths]}


@request_scores
def call_decoder(layer, query, value, query_mask, value_mask, **options):
    """Call a decoder: the queries are its inputs, the values its memory."""
    return layer(query, value, inputs_mask=query_mask, memory_mask=value_mask, **options)
