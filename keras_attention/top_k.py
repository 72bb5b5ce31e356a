"""The k highest values of each row; equal values keep their order on every backend."""

import keras
from keras import ops

from keras_attention.kernels.xla_context import is_compiled


def top_k(x, k):
    """Return the `k` highest values along the last axis, highest first, and their indices.

    Equal values keep their order. If not all of several equal values are among the `k`, the first
    ones are.

    Args:
        x: Float `(..., n)`.
        k: Int, at most n.

    Returns:
        Values `(..., k)` in the dtype of `x`, and indices, int32 `(..., k)`.

    Example:
    >>> from keras_attention.top_k import top_k
    >>> values, indices = top_k(np.array([[1.0, 3.0, 3.0, 3.0]]), 2)
    >>> indices.numpy()
    array([[1, 2]], dtype=int32)
    """
    if keras.backend.backend() != "torch":
        # argmax is not used even if k is 1: on TensorFlow it adds a Bitcast op, which some runtimes
        # do not support.
        if is_compiled():  # XLA sorts -0.0 below 0.0, although they are equal
            x = ops.where(ops.equal(x, 0), ops.zeros_like(x), x)
        values, indices = ops.top_k(x, k)
        return values, ops.cast(indices, "int32")
    x = ops.convert_to_tensor(x)
    # PyTorch's topk may return any of several equal values, in any order; its argmax returns the
    # first one.
    indices = ops.argmax(x, axis=-1, keepdims=True) if k == 1 else _first_highest(x, k)
    return ops.take_along_axis(x, indices, axis=-1), ops.cast(indices, "int32")


def _first_highest(x, k):
    """Return the indices of the `k` highest values; among equal values, the first ones."""
    lowest = ops.top_k(x, k)[0][..., -1:]
    # Replace the values by integers without ties. Values above `lowest`, the lowest value that is
    # returned, get the highest integers; values equal to it get lower ones. In both groups, an
    # earlier index gets a higher integer.
    count = x.shape[-1]
    order = ops.where(x >= lowest, ops.arange(count, 0, -1, dtype="int32"), 0)
    order = ops.where(x > lowest, order + count, order)
    indices = ops.top_k(order, k)[1]
    best_first = ops.argsort(-ops.take_along_axis(x, indices, axis=-1), axis=-1)  # a stable sort
    return ops.take_along_axis(indices, best_first, axis=-1)
