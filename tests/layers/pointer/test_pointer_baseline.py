"""The baseline "LSTM + attention" of Vinyals et al. (section 2.2), built from our layers."""

import keras
import numpy as np

from keras_attention import AdditiveAttention, AttentionDecoder
from tests import reference_recurrent
from tests.layers.pointer.pointer_formulas import (
    BATCH,
    ELEMENTS,
    MEMORY,
    POINTS,
    STATE,
    UNITS,
    numpy,
)
from tests.reference_pointer import lstm_with_attention


def build_baseline():
    """Build the recipe of PointerDecoder's docstring with seeded weights."""
    decoder = AttentionDecoder(
        keras.layers.LSTMCell(UNITS),
        AdditiveAttention(UNITS),
        attend="after",
        input_feeding=True,
        output_mode="both",
    )
    decoder(POINTS, MEMORY)
    rng = np.random.default_rng(1)
    decoder.set_weights([rng.normal(size=w.shape) for w in decoder.get_weights()])
    return decoder


def test_documented_recipe_is_the_papers_baseline():
    decoder = build_baseline()
    outputs, weights = numpy(
        decoder(POINTS, MEMORY, initial_state=STATE, return_attention_scores=True)
    )
    cell, score = decoder.cell, decoder.attention.score
    cell_weights = [cell.kernel, cell.recurrent_kernel, cell.bias]
    cell_weights = [numpy(w).astype("float64") for w in cell_weights]
    score_kernels = [numpy(w).astype("float64") for w in (score.query_kernel, score.key_kernel)]
    for row in range(BATCH):
        expected, expected_weights = lstm_with_attention(
            POINTS[row],
            [state[row] for state in STATE],
            lambda x, state: reference_recurrent.lstm(x, state, *cell_weights),
            MEMORY[row],
            *score_kernels,
            numpy(score.scale),
        )
        np.testing.assert_allclose(outputs[row], expected, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(weights[row], expected_weights, rtol=1e-4, atol=1e-5)


def test_dense_layer_points_to_a_fixed_number_of_elements():
    inputs, memory = keras.Input((None, 2)), keras.Input((None, 7))
    logits = keras.layers.Dense(ELEMENTS)(build_baseline()(inputs, memory))
    assert keras.Model([inputs, memory], logits)([POINTS, MEMORY]).shape == (BATCH, 5, ELEMENTS)
