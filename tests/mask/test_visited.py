import numpy as np
import pytest
from keras import ops

from keras_attention.mask import combine, padding, visited


def compute_visited_mask(indices, keys):
    return ops.convert_to_numpy(visited(np.array(indices), keys))


def test_key_is_visible_until_it_is_pointed_to():
    expected = ["xxx", "xx.", ".x.", ".x.", "..."]
    mask = [[sign == "x" for sign in row] for row in expected]
    np.testing.assert_array_equal(compute_visited_mask([-1, 2, 0, 0, 1], 3), mask)


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint8"])
def test_every_sequence_has_its_own_visited_keys(dtype):
    indices = np.array([[[0, 1], [2, 2]], [[1, 0], [0, 2]]], dtype)
    mask = ops.convert_to_numpy(visited(indices, 3))
    for rows, sequence in zip(mask.reshape(4, 2, 3), indices.reshape(4, 2), strict=True):
        for i, row in enumerate(rows):
            assert row.tolist() == [j not in sequence[: i + 1] for j in range(3)]


def test_indices_outside_the_keys_mask_nothing():
    assert compute_visited_mask([-1, 5, 3, -7], 3).all()


def test_combines_with_padding():
    mask = combine(padding(key_mask=np.array([[True, True, False]])), visited([[-1, 0]], 3))
    assert ops.convert_to_numpy(mask).tolist() == [[[True, True, False], [False, True, False]]]
