"""A pointer network learns to sort numbers by pointing to them."""

import keras
import numpy as np
import pytest

import keras_attention
from tests.compile_model import compile_model
from tests.layers.pointer.pointer_formulas import numpy

BATCH, STEPS, NUMBERS, UNITS = 128, 600, 4, 32


def make_numbers_and_order(count, rng):
    numbers = rng.uniform(size=(count, NUMBERS, 1)).astype("float32")
    return numbers, np.argsort(numbers[..., 0], axis=1).astype("int32")


@pytest.mark.skipif(keras.backend.backend() == "torch", reason="takes minutes without a compiler")
def test_learns_to_sort_four_numbers():
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    encoder = keras.layers.LSTM(UNITS, return_sequences=True, return_state=True, use_cudnn=False)
    decoder = keras_attention.PointerDecoder(UNITS)
    points, targets = keras.Input((None, 1)), keras.Input((None,), dtype="int32")
    memory, *state = encoder(points)
    model = keras.Model([points, targets], decoder(targets, memory, points, initial_state=state))
    compile_model(
        model,
        keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.02, STEPS)),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=True,
    )
    numbers, order = make_numbers_and_order(STEPS * BATCH, rng)
    model.fit([numbers, order], order, batch_size=BATCH, verbose=0)

    numbers, order = make_numbers_and_order(1000, rng)
    memory, *state = encoder(numbers)
    for beam_width in (1, 3):
        actual = decoder.decode(memory, numbers, initial_state=state, beam_width=beam_width)
        assert (numpy(actual.indices) == order).all(1).mean() > 0.9
