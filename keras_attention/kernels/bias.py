"""A bias of the scores that may exclude keys by -inf, or hold any other number."""

from keras import ops

from keras_attention.kernels.xla_context import is_compiled


def run_if_moderate(bias, function, safe_function):
    """Return `function()` if `is_moderate(bias)`, and `safe_function()` otherwise.

    Where XLA compiles, `safe_function()` in any case: XLA fuses its operations, and cannot
    differentiate a conditional over unknown sizes.

    Args:
        bias: Float tensor.
        function: Function without arguments that returns a nest of tensors.
        safe_function: Function that returns the same nest, for a bias of any numbers.
    """
    if is_compiled():
        return safe_function()
    return ops.cond(is_moderate(bias), function, safe_function)


def is_moderate(bias):
    """Return whether a bias is finite, hence excludes nothing, a bool scalar tensor.

    Where XLA does not compile, also whether its numbers are below about 1e19, so that their sum
    with a score is finite. The answer is False for some such biases too: those whose sum, or sum
    of squares, is not finite.
    """
    # One pass over the bias that stores nothing. A minimum could lose -inf beside NaN.
    if is_compiled():
        return ops.isfinite(ops.sum(bias))
    flat = ops.reshape(bias, (1, -1))
    return ops.isfinite(ops.matmul(flat, ops.transpose(flat)))[0, 0]
