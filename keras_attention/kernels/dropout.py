"""Seeded dropout: a hash of row seed and column number decides which weights are dropped."""

import keras
from keras import ops

from keras_attention.hashing import as_int32, xor_shift


def row_seeds(shape, seed):
    """Draw one seed for each row of weights from a `keras.random.SeedGenerator`: int32."""
    return keras.random.randint(shape, 0, 2**31 - 1, dtype="int32", seed=seed)


def keep_mask(seeds, columns, rate):
    """Return the mask of the weights that dropout keeps, each with probability 1 - `rate`.

    A hash of the row's seed and the column's number replaces a tensor of random numbers. So the
    dropout mask of any block of weights can be computed alone, and recomputed in the backward pass,
    and it does not depend on how the weights are split into blocks.

    Args:
        seeds: Int32 `(..., Tq)`, drawn by `row_seeds`.
        columns: Int32 `(Tk,)`, the positions of the keys.
        rate: Fraction to drop, in [0, 1).

    Returns:
        Bool `(..., Tq, Tk)`.

    Example:
    >>> from keras_attention.kernels.dropout import keep_mask
    >>> keep_mask(np.array([5], "int32"), np.arange(6, dtype="int32"), 0.5).shape
    TensorShape([1, 6])
    """
    # The upper bits of a product depend on all lower bits of its factors; the shift in between lets
    # the lower bits depend on the upper bits, as in the finalizers of hash tables.
    columns = xor_shift(ops.multiply(ops.cast(columns, "int32"), as_int32(0x9E3779B9)), 16)
    x = ops.bitwise_xor(ops.expand_dims(seeds, -1), ops.multiply(columns, as_int32(0x7FEB352D)))
    x = ops.multiply(xor_shift(ops.multiply(x, as_int32(0x846CA68B)), 15), as_int32(0x2C1B3C6D))
    return x >= as_int32(int(rate * 2**32) - 2**31)


def apply_dropout(weights, seeds, rate):
    """Set some weights to zero and scale the others by 1 / (1 - `rate`).

    Args:
        weights: `(..., Tq, Tk)`.
        seeds: Int32 `(..., Tq)`.
        rate: Fraction to drop, in [0, 1).
    """
    is_kept = keep_mask(seeds, ops.arange(ops.shape(weights)[-1], dtype="int32"), rate)
    return ops.where(is_kept, weights / (1 - rate), ops.zeros_like(weights))
