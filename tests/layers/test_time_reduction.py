"""TimeReduction equals a loop over groups, and its mask covers every group with a real step."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention import TimeReduction

RNG = np.random.default_rng(0)


def numpy(x):
    return ops.convert_to_numpy(x)


def reduce_by_hand(inputs, factor, mask=None):
    """Concatenate the steps of each group; return the outputs and the mask of the groups."""
    batch, steps, width = inputs.shape
    mask = np.ones((batch, steps), bool) if mask is None else mask
    groups = -(-steps // factor)
    output, output_mask = np.zeros((batch, groups, factor * width)), np.zeros((batch, groups), bool)
    for row in range(batch):
        for step in range(steps):
            if mask[row, step]:
                group, place = divmod(step, factor)
                output[row, group, place * width : (place + 1) * width] = inputs[row, step]
                output_mask[row, group] = True
    return output, output_mask


@pytest.mark.parametrize("factor", [1, 2, 3, 5])
@pytest.mark.parametrize("steps", [1, 2, 4, 7])
def test_steps_and_masks_equal_a_loop(factor, steps):
    inputs = RNG.normal(size=(3, steps, 2)).astype("float32")
    mask = RNG.random((3, steps)) < 0.6
    mask[0], mask[1] = True, False
    layer = TimeReduction(factor)
    for m in (None, mask):
        expected, expected_mask = reduce_by_hand(inputs, factor, m)
        np.testing.assert_array_equal(numpy(layer(inputs, mask=m)), expected)
        if m is not None:
            np.testing.assert_array_equal(numpy(layer.compute_mask(inputs, m)), expected_mask)
    assert layer.compute_mask(inputs) is None


def test_reshape_of_a_full_sequence_is_the_inverse():
    inputs = RNG.normal(size=(2, 6, 4)).astype("float32")
    np.testing.assert_array_equal(numpy(TimeReduction(3)(inputs)).reshape(inputs.shape), inputs)


def test_nan_in_masked_steps_has_no_effect():
    inputs, mask = RNG.normal(size=(2, 5, 3)).astype("float32"), np.arange(5) < [[3], [4]]
    expected = numpy(TimeReduction()(inputs, mask=mask))
    inputs[~mask] = np.nan
    np.testing.assert_array_equal(numpy(TimeReduction()(inputs, mask=mask)), expected)


def make_pyramid():
    """Make two recurrent layers with a time reduction before each, for ids."""
    ids = keras.Input((None,), dtype="int32")
    x = keras.layers.Embedding(9, 4, mask_zero=True)(ids)
    for units in (3, 2):
        recurrent = keras.layers.GRU(units, return_sequences=True, use_cudnn=False)
        x = keras.layers.Bidirectional(recurrent)(TimeReduction()(x))
    return keras.Model(ids, [x, x._keras_mask])


def test_pyramid_of_a_saved_model_does_not_depend_on_padding(tmp_path):
    model = make_pyramid()
    ids = np.array([[1, 2, 3, 4, 5], [6, 7, 0, 0, 0]])
    output, mask = model.predict_on_batch(ids)
    assert output.shape == (2, 2, 4)
    np.testing.assert_array_equal(mask, [[True, True], [True, False]])
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    for m, padding in ((model, 4), (loaded, 0), (loaded, 1)):
        padded_output, padded_mask = m.predict_on_batch(np.pad(ids, [(0, 0), (0, padding)]))
        np.testing.assert_array_equal(padded_mask[:, :2], mask)
        assert not padded_mask[:, 2:].any()
        difference = (padded_output[:, :2] - output)[mask]
        np.testing.assert_allclose(difference, 0, atol=1e-6)


def test_integers_are_cast_and_half_precision_is_kept():
    layer = TimeReduction(dtype="mixed_bfloat16")
    output = layer(np.arange(8).reshape(1, 4, 2))
    assert keras.backend.standardize_dtype(output.dtype) == "bfloat16"
    np.testing.assert_array_equal(
        numpy(ops.cast(output, "float32")), [[[0, 1, 2, 3], [4, 5, 6, 7]]]
    )


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 4, 5), (2, 3, None)])
def test_inputs_of_another_rank_or_of_unknown_width_are_refused(shape):
    with pytest.raises(
        ValueError, match=r"Expected `inputs` \(batch, T, width\).*Received: inputs"
    ):
        TimeReduction()(keras.KerasTensor(shape))
