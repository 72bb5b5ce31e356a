import keras
import numpy as np
import pytest
from keras import ops

from keras_attention.kernels.dropout import keep_mask, row_seeds

ROWS, COLUMNS = 600, 500


def sample_mask(rate, seed=3):
    seeds = row_seeds((2, ROWS), keras.random.SeedGenerator(seed))
    return ops.convert_to_numpy(keep_mask(seeds, ops.arange(COLUMNS, dtype="int32"), rate))


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_rate_holds_in_every_row_and_column(rate):
    keep = sample_mask(rate)
    assert keep.shape == (2, ROWS, COLUMNS) and keep.dtype == bool
    assert abs(keep.mean() - (1 - rate)) < 0.002
    for axis, size in ((2, COLUMNS), (1, ROWS)):
        spread = (rate * (1 - rate) / size) ** 0.5
        means = keep.mean(axis=axis)
        assert np.abs(means - (1 - rate)).max() < 5 * spread
        assert 0.8 * spread < means.std() < 1.2 * spread  # as for independent samples


def test_rows_and_columns_are_independent_of_one_another():
    keep = sample_mask(0.5)[0].astype("float64")
    for table, length in ((keep, COLUMNS), (keep.T, ROWS)):
        results = np.corrcoef(table)[np.triu_indices(len(table), 1)]
        assert np.abs(results).max() < 6 / length**0.5
        assert 0.9 < results.std() * length**0.5 < 1.1


def test_part_of_a_mask_equals_the_same_part_of_the_full_mask():
    seeds = np.array([[5, 2**31 - 2], [0, 77]], "int32")
    columns = np.arange(40, dtype="int32")
    full_mask = ops.convert_to_numpy(keep_mask(seeds, columns, 0.4))
    part = ops.convert_to_numpy(keep_mask(seeds[:, 1:], columns[13:29], 0.4))
    np.testing.assert_array_equal(part, full_mask[:, 1:, 13:29])


def test_seed_determines_the_mask_on_every_backend():
    np.testing.assert_array_equal(sample_mask(0.3, seed=1), sample_mask(0.3, seed=1))
    assert (sample_mask(0.3, seed=1) != sample_mask(0.3, seed=2)).any()
    results = ops.convert_to_numpy(
        keep_mask(np.arange(2, dtype="int32"), np.arange(9, dtype="int32"), 0.5)
    )
    assert results.astype(int).tolist() == [
        [1, 0, 0, 0, 1, 0, 1, 1, 0],
        [0, 0, 0, 1, 1, 0, 1, 1, 0],
    ]
