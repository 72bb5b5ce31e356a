"""Assertions in the served graph: what TensorFlow would broadcast or wrap around is refused.

`Assert` and `EnsureShape` are stock operations and need no XLA.
"""

import collections


def refuse_mismatches(specs, tensors):
    """Returns the tensors, such that a request for them fails where they are not as specified.

    Args:
        specs: List of `Spec`.
        tensors: A tensor for each.

    Returns:
        List of the same tensors; each waits for every check.
    """
    import tensorflow as tf

    pairs = zip(specs, tensors, strict=True)
    # A server checks dtypes and names, and neither ranks nor sizes.
    tensors = [tf.ensure_shape(tensor, spec.tensor_spec().shape) for spec, tensor in pairs]
    places = collections.defaultdict(list)  # of each name: (input, shape, axis)
    for spec, tensor in zip(specs, tensors, strict=True):
        for axis, size in enumerate(spec.shape):
            if isinstance(size, str):
                places[size].append((spec.name, tf.shape(tensor), axis))
    checks = [_equal(size, found) for size, found in places.items() if len(found) > 1]
    for spec, tensor in zip(specs, tensors, strict=True):
        if spec.below is not None:
            checks.append(_below(spec, tensor))
        if spec.finite and tensor.dtype.is_floating:
            what = f"Expected finite numbers in `{spec.name}`. Received: NaN or infinity"
            checks.append(refuse(tf.reduce_all(tf.math.is_finite(tensor)), what))
    return waiting_for(checks, tensors)


def refuse(condition, *what):
    """An assertion whose message is `what`: strings, and tensors, of which it prints the values."""
    import tensorflow as tf

    # Not tf.debugging.Assert, which puts a branch around this operation.
    return tf.raw_ops.Assert(condition=condition, data=what, summarize=8)


def waiting_for(checks, tensors):
    """The tensors, none of which is there before every check has passed."""
    import tensorflow as tf

    with tf.control_dependencies([check for check in checks if check is not None]):  # None: eager
        return [tf.identity(tensor) for tensor in tensors]


def _equal(size, places):
    import tensorflow as tf

    sizes = tf.stack([shape[axis] for _, shape, axis in places])
    shapes = {name: shape for name, shape, _ in places}
    # Backticks, since the operation puts a backslash before every quotation mark.
    return refuse(
        tf.reduce_all(tf.equal(sizes, sizes[0])),
        f"Expected inputs that agree on one size `{size}`. Received: shapes",
        *(part for name, shape in shapes.items() for part in (name, shape)),
    )


def _below(spec, ids):
    import tensorflow as tf

    is_known = ids >= 0
    if spec.below <= ids.dtype.max:  # else every value is less, and `below` no value of the dtype
        is_known = tf.logical_and(is_known, ids < tf.constant(spec.below, ids.dtype))
    return refuse(
        tf.reduce_all(is_known),
        f"Expected the values of `{spec.name}` to be ids from 0 to {spec.below - 1}. Received:",
        tf.boolean_mask(ids, tf.logical_not(is_known)),
    )
