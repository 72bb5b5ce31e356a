import keras
import numpy as np
import pytest
from keras import ops

from keras_attention.mask import hide
from tests.gradients import gradients

X = np.array([[[1.0, 2.0], [np.nan, 3.0], [4.0, np.inf]]], "float32")
VISIBLE = np.array([[True, False, False]])


def test_masked_positions_become_zero_even_if_nan_or_infinite():
    hidden = ops.convert_to_numpy(hide(X, VISIBLE))
    np.testing.assert_array_equal(hidden, [[[1, 2], [0, 0], [0, 0]]])


def test_masked_positions_have_no_gradient():
    (gradient,) = gradients(lambda x: ops.sum(hide(x, VISIBLE) ** 2), [X])
    np.testing.assert_array_equal(gradient, [[[2, 4], [0, 0], [0, 0]]])


def test_without_a_mask_the_input_is_returned():
    assert hide(X, None) is X


@pytest.mark.parametrize("visible", [VISIBLE[0], VISIBLE, [[True]], VISIBLE.astype("int32")])
def test_masks_may_broadcast(visible):
    expected = np.where(np.broadcast_to(np.asarray(visible, bool), (1, 3))[..., None], X, 0)
    np.testing.assert_array_equal(ops.convert_to_numpy(hide(X, np.array(visible))), expected)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_dtype_is_kept(dtype):
    hidden = hide(ops.cast(X, dtype), VISIBLE)
    assert keras.backend.standardize_dtype(hidden.dtype) == dtype
