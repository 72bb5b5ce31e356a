"""The NTM learns to copy: nothing but its memory could."""

import keras
import numpy as np
import pytest

import keras_attention

LENGTH, BITS = 3, 3


def copies(count, seed):
    """Vectors of bits and a delimiter on a channel of its own, then silence; what to answer."""
    answer = np.random.default_rng(seed).integers(0, 2, (count, LENGTH, BITS)).astype("float32")
    question = np.zeros((count, 2 * LENGTH + 1, BITS + 1), "float32")
    question[:, :LENGTH, :BITS], question[:, LENGTH, BITS] = answer, 1
    return question, answer


@pytest.mark.skipif(keras.backend.backend() == "torch", reason="300 steps take minutes uncompiled")
def test_a_controller_without_a_state_copies_from_memory():
    keras.utils.set_random_seed(0)
    cell = keras_attention.NTMCell(
        BITS,
        slots=7,
        width=5,
        controller="feedforward",
        controller_units=17,
        output_activation="sigmoid",
    )
    inputs = keras.Input((2 * LENGTH + 1, BITS + 1))
    outputs = keras.layers.RNN(cell, return_sequences=True)(inputs)[:, LENGTH + 1 :]
    model = keras.Model(inputs, outputs)
    optimizer = keras.optimizers.Adam(0.01, clipvalue=10.0)
    model.compile(optimizer, "binary_crossentropy", jit_compile=True)
    model.fit(*copies(16 * 300, seed=0), batch_size=16, shuffle=False, verbose=0)
    question, answer = copies(256, seed=1)
    wrong = (model.predict(question, batch_size=256, verbose=0) > 0.5) != answer
    assert wrong.mean() < 0.02  # a guess is wrong half of the time
