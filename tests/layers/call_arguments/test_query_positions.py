import numpy as np
import pytest
from keras import ops

from keras_attention.layers.call_arguments.query_positions import query_positions

QUERY, KEY = np.ones((2, 3, 5)), np.ones((2, 7, 5))


def test_positions_start_at_the_first_unmasked_query():
    mask = np.array([[True, True, False], [False, True, True]])
    positions = ops.convert_to_numpy(query_positions(QUERY, KEY, mask))
    assert positions[mask].tolist() == [0, 1, 0, 1]


def test_masked_query_in_the_middle_is_not_counted():
    mask = np.array([[True, False, True], [False, True, True]])
    positions = ops.convert_to_numpy(query_positions(QUERY, KEY, mask))
    assert positions[mask].tolist() == [0, 1, 0, 1]
    assert (positions >= 0).all()


def test_without_a_mask_positions_are_none():
    assert query_positions(QUERY, KEY) is None
    assert query_positions(QUERY[:, 0], KEY, np.array([True, False])) is None


def test_explicit_positions_are_returned():
    positions = np.array([[4, 5, 6]])
    mask = np.zeros((2, 3), bool)
    np.testing.assert_array_equal(
        ops.convert_to_numpy(query_positions(QUERY, KEY, mask, positions)), positions
    )
    assert ops.convert_to_numpy(query_positions(QUERY, KEY, positions=4)).tolist() == 4


@pytest.mark.parametrize(
    ("positions", "message"),
    [
        (np.zeros((2, 3)), "Expected `positions` to be of an integer dtype. Received: .*float"),
        (np.zeros((2, 4), int), r"Received: positions of shape \(2, 4\)"),
        (np.zeros((1, 2, 3), int), r"Received: positions of shape \(1, 2, 3\)"),
    ],
)
def test_invalid_positions_are_refused(positions, message):
    with pytest.raises(ValueError, match=message):
        query_positions(QUERY, KEY, None, positions)
