import numpy as np
import pytest
from keras import ops

from keras_attention.mask.span import span


def compute_span(*rows):
    mask = np.array([[sign == "x" for sign in row] for row in rows])
    return tuple(int(x) for x in map(ops.convert_to_numpy, span(mask)))


@pytest.mark.parametrize(
    ("row", "start", "length"),
    [
        ("xxxxx", 0, 5),
        ("xxx..", 0, 3),
        ("..xxx", 2, 3),
        (".x.x.", 1, 3),
        ("x", 0, 1),
        ("....x", 4, 1),
    ],
)
def test_span_runs_from_the_first_to_the_last_visible_key(row, start, length):
    assert compute_span(row) == (start, length)


def test_key_counts_if_visible_to_any_query():
    assert compute_span("x....", ".....", "...x.") == (0, 4)


def test_fully_masked_sequence_has_length_zero():
    assert compute_span("...", "...")[1] == 0


def test_every_sequence_has_its_own_span():
    mask = np.zeros((2, 3, 1, 7), bool)
    mask[0, 1, 0, 2:5] = mask[1, 2, 0, 6:] = True
    start, length = (ops.convert_to_numpy(x) for x in span(mask))
    assert length.tolist() == [[0, 3, 0], [0, 0, 1]]
    assert (start[0, 1], start[1, 2]) == (2, 6)
    assert length.dtype == start.dtype == "int32"
