"""Dropout that is known by its seeds: which weight is dropped follows from its row and column."""

import keras
from keras import ops


def row_seeds(shape, seed):
    """A number for each row of weights, drawn by a `keras.random.SeedGenerator`: int32."""
    return keras.random.randint(shape, 0, 2**31 - 1, dtype="int32", seed=seed)


def keep_mask(seeds, columns, rate):
    """Which weights dropout keeps, each with probability 1 - `rate`.

    A hash of a row's seed and a column's number takes the place of a drawn tensor, so a block of
    weights can be dropped without the others, again in the backward pass, and alike whether the
    rows are whole or cut.

    Args:
        seeds: Int32 `(..., Tq)`, as `row_seeds` draws them.
        columns: Int32 `(Tk,)`, the keys' numbers.
        rate: Fraction to drop, in [0, 1).

    Returns:
        Bool `(..., Tq, Tk)`.

    Example:
    >>> from keras_attention.kernels.dropout import kept
    >>> kept(np.array([5], "int32"), np.arange(6, dtype="int32"), 0.5).shape
    TensorShape([1, 6])
    """
    # Multiplications whose upper bits depend on all lower ones, with a fold in between that lets
    # the lower bits depend on the upper ones (as in the finalizers of hash tables).
    columns = _fold(ops.multiply(ops.cast(columns, "int32"), _signed(0x9E3779B9)), 16)
    x = ops.bitwise_xor(ops.expand_dims(seeds, -1), ops.multiply(columns, _signed(0x7FEB352D)))
    x = ops.multiply(_fold(ops.multiply(x, _signed(0x846CA68B)), 15), _signed(0x2C1B3C6D))
    return x >= _signed(int(rate * 2**32) - 2**31)


def apply_dropout(weights, seeds, rate):
    """Weights of which some are zero and the others larger: the sum is on average the same.

    Args:
        weights: `(..., Tq, Tk)`.
        seeds: Int32 `(..., Tq)`.
        rate: Fraction to drop, in [0, 1).
    """
    stays = keep_mask(seeds, ops.arange(ops.shape(weights)[-1], dtype="int32"), rate)
    return ops.where(stays, weights / (1 - rate), ops.zeros_like(weights))


def _signed(bits):
    """The int32 of these 32 bits: not every backend has unsigned ones."""
    return ops.convert_to_tensor(bits - 2**32 if bits >= 2**31 else bits, dtype="int32")


def _fold(x, bits):
    """`x ^ (x >> bits)` with zeros coming in from the left."""
    shifted = ops.right_shift(x, ops.convert_to_tensor(bits, dtype="int32"))
    return ops.bitwise_xor(x, ops.bitwise_and(shifted, _signed(2 ** (32 - bits) - 1)))
