"""Seeded dropout: a hash of row seed and column number decides which weights are dropped."""

import keras
from keras import ops


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
    columns = _xor_shift(ops.multiply(ops.cast(columns, "int32"), _as_int32(0x9E3779B9)), 16)
    x = ops.bitwise_xor(ops.expand_dims(seeds, -1), ops.multiply(columns, _as_int32(0x7FEB352D)))
    x = ops.multiply(_xor_shift(ops.multiply(x, _as_int32(0x846CA68B)), 15), _as_int32(0x2C1B3C6D))
    return x >= _as_int32(int(rate * 2**32) - 2**31)


def apply_dropout(weights, seeds, rate):
    """Set some weights to zero and scale the others by 1 / (1 - `rate`).

    Args:
        weights: `(..., Tq, Tk)`.
        seeds: Int32 `(..., Tq)`.
        rate: Fraction to drop, in [0, 1).
    """
    is_kept = keep_mask(seeds, ops.arange(ops.shape(weights)[-1], dtype="int32"), rate)
    return ops.where(is_kept, weights / (1 - rate), ops.zeros_like(weights))


def _as_int32(bits):
    """Return the int32 with these 32 bits, because not every backend has unsigned integers."""
    return ops.convert_to_tensor(bits - 2**32 if bits >= 2**31 else bits, dtype="int32")


def _xor_shift(x, bits):
    """Return `x ^ (x >> bits)`, shifting in zeros from the left."""
    shifted = ops.right_shift(x, ops.convert_to_tensor(bits, dtype="int32"))
    return ops.bitwise_xor(x, ops.bitwise_and(shifted, _as_int32(2 ** (32 - bits) - 1)))
