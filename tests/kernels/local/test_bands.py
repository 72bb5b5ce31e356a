import numpy as np
import pytest
from keras import ops

from keras_attention.kernels.local.bands import (
    build_band_mask,
    merge_blocks,
    rows_per_band,
    split_blocks,
    spread_bands,
)
from keras_attention.mask.structured_mask import StructuredMask
from tests.gradients import gradients

RNG = np.random.default_rng(0)


def numpy(x):
    return ops.convert_to_numpy(x)


@pytest.mark.parametrize("is_product", [True, False])
@pytest.mark.parametrize("width", [1, 10, 100])
@pytest.mark.parametrize("queries", [1, 5, 32, 33, 100, 1000])
def test_blocks_have_bounded_and_equal_sizes(queries, width, is_product):
    rows = rows_per_band(queries, width, is_product)
    max_rows = max(32, width) if is_product else max(8, width // 2)
    assert 1 <= rows <= max_rows
    blocks = -(-queries // rows)
    assert blocks == -(-queries // max_rows)
    assert blocks * rows - queries < blocks


@pytest.mark.parametrize("rows", [1, 2, 3, 7, 9])
@pytest.mark.parametrize("outer", [(2,), (2, 3)])
def test_merging_reverses_splitting(rows, outer):
    x = RNG.normal(size=(*outer, 7, 5)).astype("float32")
    blocks = numpy(split_blocks(x, rows))
    assert blocks.shape == (*outer, -(-7 // rows), rows, 5)
    np.testing.assert_array_equal(blocks.reshape(*outer, -1, 5)[..., :7, :], x)
    np.testing.assert_array_equal(blocks.reshape(*outer, -1, 5)[..., 7:, :], 0)
    np.testing.assert_array_equal(numpy(merge_blocks(blocks, 7)), x)
    np.testing.assert_array_equal(numpy(split_blocks(x[..., 0], rows, axis=-1)), blocks[..., 0])
    mask = x[..., 0] > 0
    np.testing.assert_array_equal(numpy(split_blocks(mask, rows, axis=-1)), blocks[..., 0] > 0)


def test_gradients_of_splitting_and_merging():
    x, factors = (RNG.normal(size=(2, 7, 1)).astype("float32") for _ in range(2))
    (actual,) = gradients(
        lambda x: ops.sum(ops.multiply(merge_blocks(split_blocks(x, 3), 7), factors)), [x]
    )
    np.testing.assert_allclose(actual, factors)


PAIRS = RNG.random((2, 5, 7)) < 0.5
CAUSAL = np.arange(7) <= np.arange(5)[:, None] + 2


@pytest.mark.parametrize("rows", [1, 2, 5])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("pairs", [None, PAIRS, PAIRS[:1], PAIRS[0], PAIRS[:, :1], PAIRS[..., :1]])
def test_band_mask_equals_the_dense_mask(rows, causal, pairs):
    key_mask = np.array([[True] * 7, [False] + [True] * 5 + [False]])
    visible = StructuredMask(5, 7, key_mask=key_mask, pairs=pairs, causal=causal)
    blocks, columns = -(-5 // rows), rows + 2
    places = np.arange(blocks)[None, :, None] * rows + np.arange(columns) - 1
    places = places.astype("int32")
    actual = numpy(build_band_mask(visible, numpy(visible.key_is_visible()), places, rows))
    actual = np.broadcast_to(actual, (2, blocks, rows, columns))
    table = key_mask[:, None] & (CAUSAL if causal else True)
    table = np.broadcast_to(table if pairs is None else table & pairs, (2, 5, 7))
    for b, t, c in np.ndindex(2, 5, columns):
        place = places[0, t // rows, c]
        if 0 <= place < 7:
            assert actual[b, t // rows, t % rows, c] == table[b, t, place]


def test_spread_bands_keep_each_weight_at_its_position():
    places = np.array([[[-1, 0, 1, 2], [1, 2, 3, 4]]])
    weights = RNG.normal(size=(2, 2, 2, 4)).astype("float32")
    weights[:, 0, :, 0] = weights[:, 1, :, 3] = 0
    actual = numpy(spread_bands(weights, places, 3, 4))
    for b, t in np.ndindex(2, 3):
        expected = np.zeros(6)
        expected[places[0, t // 2] + 1] = weights[b, t // 2, t % 2]
        np.testing.assert_allclose(actual[b, t], expected[1:5])
