"""Make the batch axes of a call's inputs equal, before any product.

Every kernel may rely on equal batch axes. TensorFlow multiplies some shapes `(B, 1, m, n)` by
`(1, 1, n, k)` wrongly on CPUs, or ends the process.
"""

from functools import reduce

import keras
from keras import ops


def join_batch(*shapes):
    """Return the common batch axes of several shapes' batch axes; None = known only at run time.

    Example:
    >>> from keras_attention.batch_axes import join_batch
    >>> join_batch((1, 2), (3, None)), join_batch((None,), (1,))
    ((3, 2), (None,))
    """
    return tuple(_join_sizes(sizes) for sizes in zip(*shapes, strict=True))


def broadcast_batch(query, value, key, query_mask=None, key_mask=None):
    """Broadcast the batch axes, which are all axes before the sequence's, of the inputs of a call.

    Inputs whose sizes are known and equal are returned unchanged, without any operation. Where both
    sizes are unknown, equal sizes at run time cost no copy.

    Args:
        query: `(batch, ..., Tq, Dq)`, or `(batch, ..., Dq)` for a single query.
        value: `(batch, ..., Tk, Dv)`.
        key: `(batch, ..., Tk, Dk)`; the value itself stays the same object.
        query_mask: Bool `(batch, ..., Tq)`, `(batch, ...)` for a single query, or None.
        key_mask: Bool `(batch, ..., Tk)`, a mask of all pairs, or None.

    Returns:
        The five tensors. Every batch axis has the same size in query, value and key, and in a mask
        that had one row for an input that was broadcast.
    """
    axes = len(value.shape) - 2
    inputs = [query, value] if key is value else [query, value, key]
    shapes = {tuple(x.shape[:axes]) for x in inputs}
    has_unknown = any(None in shape for shape in shapes)
    if len(shapes) == 1 and not (has_unknown and any(x is not query for x in inputs)):
        return query, value, key, query_mask, key_mask
    sizes = _batch_sizes(inputs, axes)
    if not _is_equal(query.shape[:axes], sizes):
        query_mask = broadcast_axes(query_mask, sizes)
    if not all(_is_equal(x.shape[:axes], sizes) for x in (value, key)):
        key_mask = broadcast_axes(key_mask, sizes)
    query, *memory = (broadcast_axes(x, sizes) for x in inputs)
    return query, memory[0], memory[-1], query_mask, key_mask


def matmul(a, b):
    """Multiply matrices; batch axes that are known to differ are made equal before."""
    axes = len(a.shape) - 2
    if axes > 1 and len(a.shape) == len(b.shape) and tuple(a.shape[:axes]) != tuple(b.shape[:axes]):
        sizes = _batch_sizes([a, b], axes)
        a, b = broadcast_axes(a, sizes), broadcast_axes(b, sizes)
    return ops.matmul(a, b)


def broadcast_axes(x, sizes):
    """Broadcast the first axes of a tensor to `sizes`, ints or scalar tensors.

    Args:
        x: Tensor with at least as many axes as there are sizes; or None, which is returned.
        sizes: A sequence of sizes. Where they already are the tensor's, it is returned unchanged.
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
    """Broadcast the batch axis of memories and their masks, or None, to the batch of `inputs`.

    If the sizes are known only at run time, another size than 1 or that of the inputs is an error
    of the backend, which contains the name scope.
    """
    size = inputs.shape[0] or ops.shape(inputs)[0]
    with keras.name_scope("expected_memory_of_the_batch_of_inputs_or_of_batch_1"):
        return [x if x is inputs else broadcast_axes(x, (size,)) for x in tensors]


def _batch_sizes(inputs, axes):
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
    """Return whether sizes, which may be tensors, are known to be those of a shape."""
    return all(
        size is n or isinstance(size, int) and isinstance(n, int) and size == n
        for size, n in zip(sizes, shape, strict=True)
    )
