"""An NTM with a stateless controller learns to copy, which needs its memory."""

import keras
import numpy as np
import pytest

import keras_attention
from tests.compile_model import compile_model

LENGTH, BITS = 3, 3


def make_copy_task(count, seed):
    """Return inputs (bits, then a delimiter on a separate channel, then zeros) and the bits."""
    targets = np.random.default_rng(seed).integers(0, 2, (count, LENGTH, BITS)).astype("float32")
    sequences = np.zeros((count, 2 * LENGTH + 1, BITS + 1), "float32")
    sequences[:, :LENGTH, :BITS], sequences[:, LENGTH, BITS] = targets, 1
    return sequences, targets


@pytest.mark.skipif(keras.backend.backend() == "torch", reason="300 steps take minutes uncompiled")
def test_feedforward_controller_learns_to_copy_from_memory():
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
    compile_model(model, optimizer, "binary_crossentropy", jit_compile=True)
    model.fit(*make_copy_task(16 * 300, seed=0), batch_size=16, shuffle=False, verbose=0)
    sequences, targets = make_copy_task(256, seed=1)
    wrong = (model.predict(sequences, batch_size=256, verbose=0) > 0.5) != targets
    assert wrong.mean() < 0.02  # a guess is wrong half of the time
