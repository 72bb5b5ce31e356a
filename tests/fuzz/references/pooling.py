"""Attention pooling of a batch (Yang et al. 2016, equations 5 to 7)."""

import numpy as np

from tests import reference
from tests.reference_recurrent import pooling


def pool(inputs, mask, weights, weigh, keep=None):
    """Return the pooled vectors `(batch, D)` and the weights `(batch, T)`.

    Args:
        inputs: `(batch, T, D)`.
        mask: Bool `(batch, T)`.
        weights: [kernel, bias, query].
        weigh: Function of the unmasked scores that returns their weights.
        keep: Factors of the weights, `(batch, T)`, or None.
    """
    outputs, rows = [], []
    for b, x in enumerate(inputs):
        _, row = pooling(x * mask[b][:, None], mask[b], *weights, weigh)
        outputs.append(reference.times(row if keep is None else row * keep[b], x))
        rows.append(row)
    return np.array(outputs), np.array(rows)
