import numpy as np
from keras import ops

from keras_attention.mask import combine


def test_none_means_everything_is_visible():
    mask = np.array([[True, False]])
    assert combine() is None
    assert combine(None, None) is None
    assert combine(None, mask, None) is mask


def test_key_is_visible_if_it_is_in_all_masks():
    rng = np.random.default_rng(0)
    a, b, c = (rng.random((3, 5)) < 0.7 for _ in range(3))
    combined = ops.convert_to_numpy(combine(a, None, b, c))
    for i, j in np.ndindex(3, 5):
        assert combined[i, j] == (a[i, j] and b[i, j] and c[i, j])


def test_masks_broadcast_against_one_another():
    key_mask, pair_mask = np.array([[[True, False]]] * 2), np.array([[True, True], [False, True]])
    combined = ops.convert_to_numpy(combine(key_mask, pair_mask))
    np.testing.assert_array_equal(combined, [[[True, False], [False, False]]] * 2)
