"""Errors for masks whose shapes do not broadcast as documented."""

import numpy as np
import pytest

from keras_attention.mask import combine, hide, padding, span, visited

X = np.ones((2, 3, 4), "float32")


def ones(*shape):
    return np.ones(shape, bool)


@pytest.mark.parametrize("shape", [(2, 4), (5, 3), (4, 2, 3), (2, 3, 1), (1, 2, 3)], ids=str)
def test_hide_refuses_a_mask_that_does_not_broadcast(shape):
    with pytest.raises(ValueError, match=r"`visible` to be broadcastable to .*\(2, 3\)") as refusal:
        hide(X, ones(*shape))
    assert f"Received: visible of shape {shape}" in str(refusal.value)


def test_masks_that_do_not_broadcast_against_one_another_are_refused():
    with pytest.raises(ValueError, match=r"against one another.*\(2, 3\), \(1, 4\)"):
        combine(ones(2, 3), None, ones(1, 4))
    with pytest.raises(ValueError, match=r"against one another.*\(2, 3\), \(3,\), \(4, 3\)"):
        combine(ones(2, 3), ones(3), ones(4, 3))
    with pytest.raises(ValueError, match=r"against one another.*\(2, 3, 1\), \(5, 1, 4\)"):
        padding(ones(2, 3), ones(5, 4))


def test_masks_without_a_query_axis_are_refused():
    with pytest.raises(ValueError, match=r"`mask` of shape.*Received: mask of shape \(3,\)"):
        span(ones(3))
    with pytest.raises(ValueError, match=r"`indices` of shape.*Received: indices of shape \(\)"):
        visited(np.int32(1), 3)
