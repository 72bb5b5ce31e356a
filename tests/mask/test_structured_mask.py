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
def test_it_says_what_the_table_says(queries, keys, causal, window):
    masks = {
        "query_mask": RNG.random((BATCH, queries)) < 0.5,
        "key_mask": RNG.random((BATCH, keys)) < 0.5,
        "pairs": RNG.random((BATCH, queries, keys)) < 0.5,
    }
    for given in itertools.product([False, True], repeat=3):
        some = {n: x for (n, x), there in zip(masks.items(), given, strict=True) if there}
        visible = StructuredMask(queries, keys, **some, causal=causal, window=window)
        wanted = visible_pairs(queries, keys, **some, causal=causal, window=window)
        np.testing.assert_array_equal(numpy(visible.dense(), wanted.shape), wanted)
        sees, seen = wanted.any(axis=2), wanted.any(axis=1)
        np.testing.assert_array_equal(numpy(visible.query_has_visible_key(), sees.shape), sees)
        np.testing.assert_array_equal(numpy(visible.key_is_visible(), seen.shape), seen)


def test_nothing_masked_is_nothing_said():
    visible = StructuredMask(3, 5)
    assert (
        visible.dense() is None
        and visible.query_has_visible_key() is None
        and visible.key_is_visible() is None
    )


def test_a_table_is_one_way_to_say_it():
    table = RNG.random((BATCH, 3, 5)) < 0.5
    visible = as_structured_mask(table, 3, 5)
    assert as_structured_mask(visible, 3, 5) is visible
    np.testing.assert_array_equal(visible.dense(), table)
