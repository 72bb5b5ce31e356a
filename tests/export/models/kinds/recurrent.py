"""Recurrent layers and masks."""

import keras
import numpy as np

import keras_attention
from tests.export.models.tries import Case, Tries

layers = keras.layers
tries = Tries("recurrent layers and masks")


@tries.right(quick=True)
def bidirectional_lstm_of_masked_ids():
    ids = keras.Input((None,), dtype="int32", name="ids")
    hidden = layers.Bidirectional(layers.LSTM(3, return_sequences=True))(
        layers.Embedding(5, 4, mask_zero=True)(ids)
    )
    request = {"ids": np.int32([[1, 2, 4, 0, 0], [4, 3, 2, 2, 1]])}
    return Case(keras.Model(ids, hidden), requests=[("serving_default", request)])


@tries.right(quick=True)
def gru_with_states():
    x, state = keras.Input((None, 4), name="x"), keras.Input((3,), name="state")
    hidden, last = layers.GRU(3, return_sequences=True, return_state=True)(x, initial_state=state)
    return Case(keras.Model([x, state], {"hidden": hidden, "last": last}))


@tries.right()
def an_lstm_with_dropout():
    x = keras.Input((None, 4), name="x")
    return Case(keras.Model(x, layers.LSTM(3, dropout=0.3, recurrent_dropout=0.3)(x)))


@tries.right()
def stacked_cells():
    x = keras.Input((None, 4), name="x")
    cells = [layers.LSTMCell(3), layers.GRUCell(2), layers.SimpleRNNCell(5)]
    return Case(keras.Model(x, layers.RNN(cells, return_sequences=True)(x)))


@tries.right()
def an_unrolled_lstm():
    x = keras.Input((5, 4), name="x")
    return Case(keras.Model(x, layers.LSTM(3, unroll=True, go_backwards=True)(x)))


@tries.right()
def conv_lstm():
    x = keras.Input((None, 5, 5, 2), name="x")
    return Case(keras.Model(x, layers.ConvLSTM2D(2, 3)(x)))


@tries.right()
def a_mask_as_an_input():
    x, mask = keras.Input((None, 4), name="x"), keras.Input((None,), dtype="bool", name="mask")
    request = {
        "x": np.random.default_rng(0).random((2, 5, 4), "float32"),
        "mask": np.array([[1, 1, 1, 0, 0], [1, 0, 1, 1, 1]], bool),
    }
    hidden = layers.LSTM(3, use_cudnn=False)(x, mask=mask)
    return Case(keras.Model([x, mask], hidden), requests=[("serving_default", request)])


@tries.right()
def masking_of_frames():
    x = keras.Input((None, 2), name="x")
    frames = np.float32([[[1, 2], [9, 9], [3, 1]], [[9, 9], [9, 9], [2, 5]]])
    model = keras.Model(x, layers.GRU(3)(layers.Masking(9.0)(x)))
    return Case(model, requests=[("serving_default", {"x": frames})])


@tries.right()
def an_own_cell():
    class Sum(layers.Layer):
        state_size = output_size = 3

        def call(self, inputs, states):
            total = 0.5 * states[0] + inputs
            return total, [total]

    x = keras.Input((None, 3), name="x")
    return Case(keras.Model(x, layers.RNN(Sum())(x)))


@tries.right()
def a_neural_turing_machine():
    x = keras.Input((None, 4), name="x")
    cell = keras_attention.NTMCell(units=5, slots=6, width=3)
    case = Case(keras.Model(x, layers.RNN(cell, return_sequences=True)(x)))
    case.tolerance = 1e-4
    return case
