import itertools

import numpy as np
import pytest
from keras import ops

from keras_attention.mask.structured_mask import StructuredMask, as_structured_mask
from tests.kernels.dot.dot_formulas import BATCH, visible_pairs

RNG = np.random.default_rng(0)
SIZES = [(5, 5), (3, 7), (7, 3)]


def numpy(x, shape):
    return np.broadcast_to(True if x is None else ops.convert_to_numpy(x), shape)


@pytest.mark.parametrize(("queries", "keys"), SIZES)
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("window", [None, 1, 2])
def test_matches_the_dense_mask(queries, keys, causal, window):
    masks = {
        "query_mask": RNG.random((BATCH, queries)) < 0.5,
        "key_mask": RNG.random((BATCH, keys)) < 0.5,
        "pairs": RNG.random((BATCH, queries, keys)) < 0.5,
    }
    for is_used in itertools.product([False, True], repeat=3):
        selected = {n: x for (n, x), used in zip(masks.items(), is_used, strict=True) if used}
        mask = StructuredMask(queries, keys, **selected, causal=causal, window=window)
        expected = visible_pairs(queries, keys, **selected, causal=causal, window=window)
        np.testing.assert_array_equal(numpy(mask.dense(), expected.shape), expected)
        has_key, is_visible = expected.any(axis=2), expected.any(axis=1)
        np.testing.assert_array_equal(numpy(mask.query_has_visible_key(), has_key.shape), has_key)
        np.testing.assert_array_equal(numpy(mask.key_is_visible(), is_visible.shape), is_visible)


def test_without_masks_every_method_returns_none():
    mask = StructuredMask(3, 5)
    assert (
        mask.dense() is None
        and mask.query_has_visible_key() is None
        and mask.key_is_visible() is None
    )


def test_dense_mask_becomes_a_structured_mask():
    dense = RNG.random((BATCH, 3, 5)) < 0.5
    mask = as_structured_mask(dense, 3, 5)
    assert as_structured_mask(mask, 3, 5) is mask
    np.testing.assert_array_equal(mask.dense(), dense)
