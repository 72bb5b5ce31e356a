import numpy as np
import pytest
from keras import ops

from keras_attention.mask import around


@pytest.mark.parametrize(
    ("weights", "width", "expected"),
    [
        ([0, 0, 1, 0, 0, 0], 1, [0, 1, 1, 1, 0, 0]),
        ([0, 0, 1, 0, 0, 0], 0, [0, 0, 1, 0, 0, 0]),
        ([0.5, 0, 0, 0, 0.5, 0], 1, [1, 1, 0, 0, 0, 0]),  # half of the weight is at the first key
        ([0.4, 0, 0, 0, 0.6, 0], 1, [0, 0, 0, 1, 1, 1]),
        ([0, 0, 0, 0, 0, 1], 2, [0, 0, 0, 1, 1, 1]),
        ([0, 0, 0.2, 0, 0, 0], 1, [0, 1, 1, 1, 0, 0]),  # weights need not sum to 1
        ([0, 0, 0, 0, 0, 0], 1, [1, 1, 0, 0, 0, 0]),
        ([0, 0, 1, 0, 0, 0], 9, [1, 1, 1, 1, 1, 1]),
    ],
)
def test_keys_near_the_median_are_visible(weights, width, expected):
    mask = ops.convert_to_numpy(around(np.array([weights], "float32"), width))
    np.testing.assert_array_equal(mask.astype(int), [expected])


@pytest.mark.parametrize("width", [-1, 1.5, "1"])
def test_invalid_width_is_refused(width):
    with pytest.raises(ValueError, match="`width`"):
        around(np.ones((1, 3), "float32"), width)


def test_precision_of_the_weights_does_not_matter():
    weights = np.full((1, 3000), 1 / 3000, "float16")
    visible = np.flatnonzero(ops.convert_to_numpy(around(weights, 0))[0])
    assert abs(visible[0] - 1499) <= 1
    mask = ops.convert_to_numpy(around(np.array([[0, 1, 0, 0]]), 1))
    np.testing.assert_array_equal(mask, [[True, True, True, False]])


@pytest.mark.parametrize("keys", [10, 24, 96, 398, 3000])
def test_median_of_equal_weights_does_not_depend_on_rounding(keys):
    weights = np.full((1, keys), 1 / keys, "float32")
    visible = np.flatnonzero(ops.convert_to_numpy(around(weights, 0))[0])
    np.testing.assert_array_equal(visible, [keys // 2 - 1])
