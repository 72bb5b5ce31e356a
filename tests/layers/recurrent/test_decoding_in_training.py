"""Decoding applies no dropout, even inside a model that is being trained."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention import AttentionDecoder, LuongAttention, PointerDecoder

RNG = np.random.default_rng(0)
MEMORY = RNG.normal(size=(3, 5, 7)).astype("float32")
INPUTS = RNG.normal(size=(3, 2, 4)).astype("float32")


def cell():
    return keras.layers.LSTMCell(3, dropout=0.5, recurrent_dropout=0.25)


class DroppingCell(keras.layers.Layer):
    """A custom cell with a Dropout layer and without a `training` argument."""

    state_size = 3

    def __init__(self):
        super().__init__()
        self.dense, self.drop = keras.layers.Dense(3), keras.layers.Dropout(0.5, seed=1)

    def build(self, shape):
        self.dense.build(shape)

    def call(self, inputs, states):
        state = self.drop(ops.tanh(self.dense(inputs) + ops.sum(states[0])))
        return state, [state]


class RunInLayer(keras.layers.Layer):
    """A layer, possibly in training, that runs a function."""

    def __init__(self, run):
        super().__init__()
        self.run = run

    def call(self, inputs, training=None):
        return self.run(inputs)


def make_pointer_loop(cell):
    decoder = PointerDecoder(6, cell=cell)
    decoder(np.array([[1, 0]] * 3), MEMORY, MEMORY)
    return decoder, lambda memory: decoder.decode(memory).log_probabilities


def make_decoder_loop(cell, **options):
    decoder = AttentionDecoder(cell, LuongAttention(units=6), attend="after", **options)
    decoder(INPUTS, MEMORY)

    def run(memory):
        state, prepared = decoder.get_initial_state(3), decoder.prepare(memory)
        for t in range(2):
            output, _, state = decoder.step(ops.convert_to_tensor(INPUTS[:, t]), state, prepared)
        return output

    return decoder, run


def make_input_feeding_loop(cell):
    return make_decoder_loop(cell, input_feeding=True)


@pytest.mark.parametrize("make", [make_pointer_loop, make_decoder_loop, make_input_feeding_loop])
@pytest.mark.parametrize("cell", [cell, DroppingCell])
def test_custom_loops_in_a_training_model_apply_no_dropout(make, cell):
    _, run = make(cell())
    expected = ops.convert_to_numpy(run(MEMORY))
    run_in_layer = RunInLayer(run)
    for training in (True, False, True):
        results = ops.convert_to_numpy(run_in_layer(MEMORY, training=training))
        np.testing.assert_array_equal(results, expected)


@pytest.mark.parametrize("make", [make_pointer_loop, make_decoder_loop, make_input_feeding_loop])
def test_training_call_applies_dropout(make):
    decoder, _ = make(cell())
    inputs = (
        (np.array([[1, 0]] * 3), MEMORY, MEMORY) if make is make_pointer_loop else (INPUTS, MEMORY)
    )
    inference, first, second = (
        ops.convert_to_numpy(decoder(*inputs, training=training))
        for training in (False, True, True)
    )
    assert abs(first - inference).max() > 1e-3
    assert abs(first - second).max() > 1e-3
