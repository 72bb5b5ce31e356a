"""Seeded dropout: a hash of row seed and column number decides which elements are dropped."""

import math

from keras import ops

from keras_attention.hashing import as_int32, mix_bits, xor_shift


def row_seeds(shape, seed_generator):
    """Draw one seed for each row: a hash of the generator's two numbers and of the row's number.

    Under XLA on CPUs, `keras.random.randint` on TensorFlow takes many times as long. The seeds are
    the same on every backend.

    Args:
        shape: Sizes `(..., Tq)`; a size may be a scalar tensor.
        seed_generator: A `keras.random.SeedGenerator`, which is advanced by one step.

    Returns:
        Int32 tensor of this shape.

    Example:
    >>> from keras_attention.kernels.dropout import row_seeds
    >>> row_seeds((2, 3), keras.random.SeedGenerator(1)).shape
    TensorShape([2, 3])
    """
    # Seeds beyond 32 bits are cut off. The count differs in each call of the same generator.
    seed, count = ops.unstack(ops.cast(seed_generator.next(), "int32"))
    rows = ops.reshape(ops.arange(math.prod(shape), dtype="int32"), shape)
    seeds = mix_bits(ops.bitwise_xor(rows, mix_bits(seed)))
    return mix_bits(ops.bitwise_xor(seeds, mix_bits(count)))


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
    return _zero_dropped(weights, seeds, ops.shape(weights)[-1], rate)


def drop(x, rate, seed_generator, noise_shape=None):
    """Set some elements to zero and scale the others by 1 / (1 - `rate`).

    Args:
        x: Tensor of any shape but a scalar.
        rate: Fraction to drop, in [0, 1].
        seed_generator: A `keras.random.SeedGenerator`, which is advanced by one step.
        noise_shape: Shape of the dropout mask, which is broadcast to that of `x`; each None, and
            all if it is None, is the size of `x`.

    Example:
    >>> from keras_attention.kernels.dropout import drop
    >>> generator = keras.random.SeedGenerator(1)
    >>> np.unique(drop(np.ones((20, 30), "float32"), 0.75, generator))
    array([0., 4.], dtype=float32)
    """
    if rate == 1:
        return ops.zeros_like(x)
    shape = ops.shape(x)
    if noise_shape is not None:
        shape = [size or n for size, n in zip(noise_shape, shape, strict=True)]
    *rows, width = shape
    return _zero_dropped(x, row_seeds(rows, seed_generator), width, rate)


def _zero_dropped(x, seeds, width, rate):
    is_kept = keep_mask(seeds, ops.arange(width, dtype="int32"), rate)
    return ops.where(is_kept, x / (1 - rate), ops.zeros_like(x))
