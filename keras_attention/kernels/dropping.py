"""Dropout that is known by its seeds: which weight is dropped follows from its row and column."""

import keras
from keras import ops


def row_seeds(shape, seed):
    """A number for each row of weights, drawn by a `keras.random.SeedGenerator`: int32."""
    return keras.random.randint(shape, 0, 2**31 - 1, dtype="int32", seed=seed)


def kept(seeds, columns, rate):
    """What dropout multiplies weights by: 0 with probability `rate`, else 1 / (1 - rate).

    A hash of a row's seed and a column's number takes the place of a drawn tensor, so a block of
    weights can be dropped without the others, again in the backward pass, and alike whether the
    rows are whole or cut.

    Args:
        seeds: Int32 `(..., Tq)`, as `row_seeds` draws them.
        columns: Int32 `(Tk,)`, the keys' numbers.
        rate: Fraction to drop, in [0, 1).

    Returns:
        Float32 `(..., Tq, Tk)`.

    Example:
    >>> from keras_attention.kernels.dropping import kept
    >>> kept(np.array([5], "int32"), np.arange(6, dtype="int32"), 0.5).shape
    TensorShape([1, 6])
    """
    columns = ops.multiply(ops.cast(columns, "int32"), _signed(0x9E3779B9))
    x = ops.bitwise_xor(ops.expand_dims(seeds, -1), columns)
    # The finalizer "lowbias32": each bit of what goes in turns each that comes out half the time.
    x = ops.multiply(_fold(x, 16), _signed(0x7FEB352D))
    x = ops.multiply(_fold(x, 15), _signed(0x846CA68B))
    x = ops.bitwise_and(_fold(x, 16), _signed(0x7FFFFFFF))
    is_kept = x >= _signed(int(rate * 2**31))
    return ops.where(is_kept, ops.cast(1 / (1 - rate), "float32"), ops.cast(0, "float32"))


def _signed(bits):
    """The int32 of these 32 bits: not every backend has unsigned ones."""
    return ops.convert_to_tensor(bits - 2**32 if bits >= 2**31 else bits, dtype="int32")


def _fold(x, bits):
    """`x ^ (x >> bits)` with zeros coming in from the left."""
    shifted = ops.right_shift(x, ops.convert_to_tensor(bits, dtype="int32"))
    return ops.bitwise_xor(x, ops.bitwise_and(shifted, _signed(2 ** (32 - bits) - 1)))
