"""Make the batch axes of a call's inputs equal, before any product.

Every kernel may rely on equal batch axes. On CPUs, TensorFlow's product of some shapes
`(B, 1, m, n)` and `(1, 1, n, k)` is wrong, or crashes the process.
"""

from functools import reduce

import keras
from keras import ops


def join_batch(*shapes):
    """Return the batch axes to which several batch axes broadcast; None = unknown until run time.

    Example:
    >>> from keras_attention.batch_axes import join_batch
    >>> join_batch((1, 2), (3, None)), join_batch((None,), (1,))
    ((3, 2), (None,))
    """
    return tuple(_join_sizes(sizes) for sizes in zip(*shapes, strict=True))


def broadcast_batch(query, value, key, query_mask=None, key_mask=None):
    """Broadcast the batch axes of a call's inputs: all axes before the sequence axis.

    Where both sizes are unknown, equal sizes at run time cost no copy.

    Args:
        query: `(batch, ..., Tq, Dq)`, or `(batch, ..., Dq)` for a single query.
        value: `(batch, ..., Tk, Dv)`.
        key: `(batch, ..., Tk, Dk)`. If it is the same object as the value, so are the results.
        query_mask: Bool `(batch, ..., Tq)`, `(batch, ...)` for a single query, or None.
        key_mask: Bool `(batch, ..., Tk)`, a mask of all pairs, or None.

    Returns:
        The five tensors. Query, value and key have the same batch axes. If an input was broadcast,
        so was its mask.
    """
    axes = len(value.shape) - 2
    inputs = [query, value] if key is value else [query, value, key]
    sizes = join_batch_sizes(inputs, axes)
    if not _is_equal(query.shape[:axes], sizes):
        query_mask = broadcast_axes(query_mask, sizes)
    if not all(_is_equal(x.shape[:axes], sizes) for x in (value, key)):
        key_mask = broadcast_axes(key_mask, sizes)
    query, *memory = (broadcast_axes(x, sizes) for x in inputs)
    return query, memory[0], memory[-1], query_mask, key_mask


def broadcast_axes(x, sizes):
    """Broadcast the first axes of a tensor to `sizes`, ints or scalar tensors.

    Args:
        x: Tensor with at least as many axes as there are sizes; or None, which is returned.
        sizes: A sequence of sizes. A tensor that already has these sizes is returned unchanged.
    """
    if x is None or _is_equal(x.shape[: len(sizes)], sizes):
        return x
    shape = (*sizes, *ops.shape(x)[len(sizes) :])
    if None not in x.shape:
        return ops.broadcast_to(x, shape)

    # TensorFlow's own gradient does not compile in an XLA loop, because it takes the sizes from the
    # forward pass. A reshape to (copies, size) and a sum need only those of the gradient's inputs.
    @ops.custom_gradient
    def broadcast(x):
        def gradient(*args, upstream=None):
            upstream = args[-1] if upstream is None else upstream
            for axis in range(len(sizes)):
                before, after = ops.shape(upstream)[:axis], ops.shape(upstream)[axis + 1 :]
                size = ops.shape(x)[axis]
                copies = ops.shape(upstream)[axis] // ops.maximum(size, 1)
                upstream = ops.reshape(upstream, (*before, copies, size, *after))
                upstream = ops.sum(upstream, axis=axis)
            return upstream

        return ops.broadcast_to(x, shape), gradient

    return broadcast(x)


def broadcast_to_batch(inputs, *tensors):
    """Broadcast the batch axis of each tensor, unless it is None, to the batch of `inputs`.

    If a batch size is known only at run time and is neither 1 nor that of `inputs`, the backend
    raises an error, which contains the name scope.
    """
    size = inputs.shape[0] or ops.shape(inputs)[0]
    with keras.name_scope("expected_memory_of_the_batch_of_inputs_or_of_batch_1"):
        return [x if x is inputs else broadcast_axes(x, (size,)) for x in tensors]


def join_batch_sizes(inputs, axes):
    """Return the common size of every batch axis: an int, or a scalar tensor."""
    static = join_batch(*(x.shape[:axes] for x in inputs))
    return [
        size if size is not None else reduce(_join_at_run_time, _unknown_sizes(inputs, axis))
        for axis, size in enumerate(static)
    ]


def _unknown_sizes(inputs, axis):
    return [ops.shape(x)[axis] for x in inputs if x.shape[axis] is None]


def _join_at_run_time(a, b):
    return ops.where(ops.equal(a, 1), b, a)


def _join_sizes(sizes):
    other = [size for size in sizes if size != 1]
    return next((size for size in other if size is not None), other[0] if other else 1)


def _is_equal(shape, sizes):
    """Return True if the sizes, which may be tensors, are known to be equal to a shape's."""
    return all(
        size is n or isinstance(size, int) and isinstance(n, int) and size == n
        for size, n in zip(sizes, shape, strict=True)
    )
