"""Hashes of int32 tensors: random numbers that depend on their arguments only."""

from keras import ops


def as_int32(bits):
    """Return the int32 with these 32 bits, because not every backend has unsigned integers."""
    return ops.convert_to_tensor(bits - 2**32 if bits >= 2**31 else bits, dtype="int32")


def shift_right(x, bits):
    """Return `x >> bits`, shifting in zeros from the left."""
    shifted = ops.right_shift(x, ops.convert_to_tensor(bits, dtype="int32"))
    return ops.bitwise_and(shifted, as_int32(2 ** (32 - bits) - 1))


def xor_shift(x, bits):
    """Return `x ^ (x >> bits)`, shifting in zeros from the left."""
    return ops.bitwise_xor(x, shift_right(x, bits))


def mix_bits(x):
    """Return a hash of each number: a bijection in which every output bit depends on every input.

    The constants are those of Wellons's lowbias32 (https://nullprogram.com/blog/2018/07/31/), whose
    bias is close to that of a random function. Zero is mapped to a constant other than zero.

    Args:
        x: Int32 tensor of any shape.

    Returns:
        Int32 tensor of the same shape.
    """
    x = xor_shift(ops.add(x, as_int32(0x9E3779B9)), 16)
    x = xor_shift(ops.multiply(x, as_int32(0x7FEB352D)), 15)
    return xor_shift(ops.multiply(x, as_int32(0x846CA68B)), 16)
