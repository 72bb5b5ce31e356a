"""Multi-head attention in an `AttentionDecoder`, which returns the mean of the heads' weights."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_attention

RNG = np.random.default_rng(0)
TARGET, SOURCE = (RNG.normal(size=s).astype("float32") for s in ((2, 3, 5), (2, 7, 4)))
SOURCE_MASK = np.arange(7) < np.array([[7], [4]])
MODES = {"before": ("before", False), "after": ("after", False), "feeding": ("after", True)}


@pytest.mark.parametrize("mode", MODES)
def test_alignments_have_one_row_per_step(mode):
    attend, feeding = MODES[mode]
    attention = keras_attention.MultiHeadAttention(num_heads=2, dropout=0.1)
    cell = keras.layers.GRUCell(6)
    decoder = keras_attention.AttentionDecoder(cell, attention, attend, feeding)
    options = {"memory_mask": SOURCE_MASK, "return_attention_scores": True}
    symbolic = decoder(keras.KerasTensor((2, 3, 5)), keras.KerasTensor((2, 7, 4)), **options)
    outputs, alignments = decoder(TARGET, SOURCE, **options)
    assert [tuple(x.shape) for x in (outputs, alignments)] == [x.shape for x in symbolic]
    alignments = ops.convert_to_numpy(alignments)
    np.testing.assert_allclose(alignments.sum(-1), 1, rtol=1e-5)
    np.testing.assert_array_equal(alignments[1, :, 4:], 0)
    decoder(TARGET, SOURCE, training=True)


def test_alignment_is_the_mean_of_the_heads_weights():
    attention = keras_attention.MultiHeadAttention(num_heads=2)
    decoder = keras_attention.AttentionDecoder(
        keras.layers.GRUCell(6), attention, "after", output_mode="cell"
    )
    outputs, alignments = decoder(TARGET, SOURCE, return_attention_scores=True)
    _, weights = attention([outputs, SOURCE], return_attention_scores=True)
    expected = ops.convert_to_numpy(weights).mean(1)
    np.testing.assert_allclose(ops.convert_to_numpy(alignments), expected, atol=1e-6)
