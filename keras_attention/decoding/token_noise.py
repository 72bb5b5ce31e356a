"""Gumbel noise of each row, step and token, as a hash of the row's seed."""

from typing import Any

import keras
from keras import ops

from keras_attention.decoding import arguments
from keras_attention.hashing import mix_bits, shift_right

MIN_SEED, MAX_SEED = -(2**31), 2**31 - 1
# The largest float32 below 1.
MAX_UNIFORM = 1 - 2.0**-24


def to_row_seeds(seed: Any, leaves: Any) -> Any:
    """Return one seed for each row, int32 `(batch,)`.

    Args:
        seed: None or a `keras.random.SeedGenerator`, which draws the seeds; an int or int scalar
            tensor, from which and the row's number they are computed; or an int tensor `(batch,)`.
        leaves: The tensors of the loop's state, `(batch, ...)`.

    Raises:
        ValueError: If `seed` is none of these.
    """
    batch = ops.shape(leaves[0])[0]
    if seed is None or isinstance(seed, keras.random.SeedGenerator):
        return keras.random.randint((batch,), 0, MAX_SEED, dtype="int32", seed=seed)
    rows = leaves[0].shape[0]
    error = ValueError(
        "Expected `seed` to be None, an integer from -2**31 to 2**31 - 1, a "
        f"keras.random.SeedGenerator or an integer tensor (batch,) = ({rows},). "
        f"Received: seed={seed!r}"
    )
    if arguments.is_integer(seed):
        if not MIN_SEED <= seed <= MAX_SEED:
            raise error
        seeds = ops.convert_to_tensor(int(seed), dtype="int32")
    elif hasattr(seed, "shape") or isinstance(seed, list | tuple):
        seeds = arguments.to_tensor("`seed`", seed)
        if "int" not in keras.backend.standardize_dtype(seeds.dtype):
            raise error
        seeds = _fold_bits(seeds)
    else:
        raise error
    if seeds.shape == ():
        return ops.bitwise_xor(mix_bits(seeds), ops.arange(batch, dtype="int32"))
    if not arguments.are_compatible(seeds.shape, (rows,)):
        raise error
    return seeds


def gumbel_noise(seeds: Any, index: Any, tokens: Any) -> Any:
    """Return independent numbers of the standard Gumbel distribution.

    A hash replaces a generator of random numbers, because the number of a row, step and token must
    not depend on the other rows, on `max_length` or on the tokens that are left out; and because a
    generator cannot be used inside a compiled loop.

    Args:
        seeds: Int32 `(batch,)`.
        index: The number of the step, an int32 scalar tensor.
        tokens: Int32 `(V,)` or `(batch, K)`.

    Returns:
        Finite float32 numbers `(batch, V)` or `(batch, K)`, from -2.9 to 22.2.

    Example:
    >>> from keras_attention.decoding.token_noise import gumbel_noise
    >>> gumbel_noise(np.array([3, 4], "int32"), 0, np.arange(5, dtype="int32")).shape
    TensorShape([2, 5])
    """
    step_seeds = mix_bits(ops.bitwise_xor(mix_bits(seeds), ops.cast(index, "int32")))
    bits = mix_bits(ops.bitwise_xor(ops.expand_dims(step_seeds, 1), mix_bits(tokens)))
    # Small uniform numbers, which become the largest noise, need a resolution finer than 2^-24.
    uniform = (ops.cast(shift_right(bits, 1), "float32") + 0.5) * 2.0**-31
    return -ops.log(-ops.log1p(-ops.minimum(uniform, MAX_UNIFORM)))


def _fold_bits(seeds):
    """Cast seeds to int32; numbers that int32 cannot hold depend on all of their bits."""
    low = ops.cast(seeds, "int32")
    if keras.backend.standardize_dtype(seeds.dtype) not in ("int64", "uint64"):
        return low
    high = ops.cast(ops.right_shift(seeds, 32), "int32")
    sign = ops.right_shift(low, 31)  # equal to `high` if the number fits into int32
    return ops.bitwise_xor(low, ops.bitwise_xor(high, sign))
