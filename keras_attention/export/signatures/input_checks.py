"""Assertions in the served graph that reject inputs which TensorFlow would silently accept.

Without them, TensorFlow would broadcast a size of 1 and look up id -1 as the last id. `Assert` and
`EnsureShape` are built-in operations and need no XLA.
"""

import collections
from collections.abc import Sequence

from keras_attention.export.signatures.spec import Spec
from keras_attention.types import Tensor


def add_input_checks(specs: Sequence[Spec], tensors: Sequence[Tensor]) -> list[Tensor]:
    """Add checks to the tensors, so that a request fails if a tensor does not match its spec.

    Args:
        specs: List of `Spec`.
        tensors: One tensor for each spec.

    Returns:
        List of the same tensors, each with a control dependency on every check.
    """
    import tensorflow as tf

    pairs = zip(specs, tensors, strict=True)
    # A server checks dtypes and names, but neither ranks nor sizes.
    tensors = [tf.ensure_shape(tensor, spec.tensor_spec().shape) for spec, tensor in pairs]
    occurrences = collections.defaultdict(list)  # name of the size: [(input's name, shape, axis)]
    for spec, tensor in zip(specs, tensors, strict=True):
        for axis, size in enumerate(spec.shape):
            if isinstance(size, str):
                occurrences[size].append((spec.name, tf.shape(tensor), axis))
    checks = [
        _assert_equal_sizes(size, places) for size, places in occurrences.items() if len(places) > 1
    ]
    checks += [
        _assert_size_at_most(size, limit, occurrences[size])
        for size, limit in collect_limits(specs).items()
    ]
    for spec, tensor in zip(specs, tensors, strict=True):
        if isinstance(spec.below, str):
            _, shape, axis = occurrences[spec.below][0]
            checks.append(_assert_ids_below_size(spec.name, spec.below, shape[axis], tensor))
        elif spec.below is not None:
            checks.append(_assert_ids_below(spec.name, spec.below, tensor))
        if spec.finite and tensor.dtype.is_floating:
            message = f"Expected finite numbers in `{spec.name}`. Received: NaN or infinity"
            checks.append(assert_true(tf.reduce_all(tf.math.is_finite(tensor)), message))
    return with_dependencies(checks, tensors)


def collect_limits(specs: Sequence[Spec]) -> dict[str, int]:
    """Return the largest accepted size by the size's name, the smallest of all specs' limits."""
    limits = {}
    for spec in specs:
        for size, limit in (spec.at_most or {}).items():
            limits[size] = min(limit, limits.get(size, limit))
    return limits


def assert_true(condition: Tensor, *message: str | Tensor):
    """Add an assertion. The message's parts are strings, or tensors whose values are printed."""
    import tensorflow as tf

    # tf.debugging.Assert would put this operation inside a tf.cond.
    return tf.raw_ops.Assert(condition=condition, data=message, summarize=8)


def with_dependencies(checks: Sequence, tensors: Sequence[Tensor]) -> list[Tensor]:
    """Return the tensors with a control dependency on every check."""
    import tensorflow as tf

    operations = [check for check in checks if check is not None]  # Eager assertions are None.
    with tf.control_dependencies(operations):
        return [tf.identity(tensor) for tensor in tensors]


def _assert_equal_sizes(size: str, occurrences: list[tuple[str, Tensor, int]]):
    """Assert that all dimensions with the name `size` are equal."""
    import tensorflow as tf

    sizes = tf.stack([shape[axis] for _, shape, axis in occurrences])
    shapes = {name: shape for name, shape, _ in occurrences}
    # The message uses backticks, because the operation escapes every quotation mark.
    return assert_true(
        tf.reduce_all(tf.equal(sizes, sizes[0])),
        f"Expected inputs with the same size `{size}`. Received: shapes",
        *(part for name, shape in shapes.items() for part in (name, shape)),
    )


def _assert_size_at_most(size: str, limit: int, occurrences: list[tuple[str, Tensor, int]]):
    """Assert that no dimension with the name `size` is larger than `limit`."""
    import tensorflow as tf

    sizes = tf.stack([shape[axis] for _, shape, axis in occurrences])
    return assert_true(
        tf.reduce_all(sizes <= min(limit, sizes.dtype.max)),
        f"Expected the size `{size}` to be at most {limit}. Received: shapes",
        *(part for name, shape, _ in occurrences for part in (name, shape)),
    )


def _assert_ids_below_size(name: str, size: str, limit: Tensor, ids: Tensor):
    """Assert that all ids are from 0 to the size `limit` of a dimension, minus 1."""
    import tensorflow as tf

    # The largest dtypes are compared, because the ids' dtype may be too small for the limit.
    is_large = ids.dtype == tf.uint64
    limit, comparable = (tf.cast(x, tf.uint64 if is_large else tf.int64) for x in (limit, ids))
    is_valid = tf.logical_and(ids >= 0, comparable < limit)
    return assert_true(
        tf.reduce_all(is_valid),
        f"Expected the values of `{name}` to be from 0 to less than the size `{size}`. Received:",
        tf.boolean_mask(ids, tf.logical_not(is_valid)),
        "where the size is",
        limit,
    )


def _assert_ids_below(name: str, below: int, ids: Tensor):
    """Assert that all ids are from 0 to `below - 1`."""
    import tensorflow as tf

    is_valid = ids >= 0
    # If `below` is larger than the dtype can hold, every value is less than `below`.
    if below <= ids.dtype.max:
        is_valid = tf.logical_and(is_valid, ids < tf.constant(below, ids.dtype))
    return assert_true(
        tf.reduce_all(is_valid),
        f"Expected the values of `{name}` to be ids from 0 to {below - 1}. Received:",
        tf.boolean_mask(ids, tf.logical_not(is_valid)),
    )
