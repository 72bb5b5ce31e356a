"""A bias of the scores that may exclude keys by -inf, or hold any other number."""

from keras import ops

from keras_attention.kernels.xla_context import is_compiled


def run_fast_or_safe(bias, fast, safe):
    """Return `fast()` if `is_in_range(bias)`, and `safe()` otherwise.

    Where XLA compiles, `safe()` runs in any case: XLA fuses its operations, and cannot
    differentiate a conditional over unknown sizes.

    Args:
        bias: Float tensor.
        fast: Function without arguments that returns a nest of tensors.
        safe: Function that returns the same nest, for a bias of any numbers.
    """
    if is_compiled():
        return safe()
    return ops.cond(is_in_range(bias), fast, safe)


def is_in_range(bias):
    """Return whether a bias excludes no key and is small enough to be added, a bool scalar tensor.

    True means that all its numbers are finite and, where XLA does not compile, below about 1e19, so
    that their sum with a score is finite. It is False for some such biases too: those whose sum, or
    sum of squares, is not finite.
    """
    # One pass over the bias that stores nothing. A minimum could lose -inf beside NaN.
    if is_compiled():
        return ops.isfinite(ops.sum(bias))
    flat = ops.reshape(bias, (1, -1))
    return ops.isfinite(ops.matmul(flat, ops.transpose(flat)))[0, 0]
