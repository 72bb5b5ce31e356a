"""The axes of positions as one axis of rows, which takes TensorFlow few operations on shapes."""

from keras import ops

from keras_attention.types import Tensor


def to_rows(x: Tensor) -> Tensor:
    """Reshape `(..., width)` to `(rows, width)`; the width is known and not zero."""
    return ops.reshape(x, (-1, x.shape[-1]))


def from_rows(rows: Tensor, x: Tensor, *widths: int) -> Tensor:
    """Reshape the rows of a result to `(*axes, *widths)`, where `x` is `(*axes, width)`.

    Args:
        rows: `(rows, units)`, one row for each vector of `x`.
        x: The tensor whose rows they are.
        widths: Sizes of the last axes, whose product is `units`.
    """
    sizes, is_unknown = x.shape[:-1], [size is None for size in x.shape[:-1]]
    if sum(is_unknown) == 0 or sum(is_unknown) == 1 and 0 not in sizes:
        return ops.reshape(rows, (*(-1 if size is None else size for size in sizes), *widths))
    import tensorflow as tf  # Only TensorFlow has unknown sizes.

    # `ops.shape` would take four operations for each size.
    if widths == (x.shape[-1],):
        return tf.reshape(rows, tf.shape(x))
    return tf.reshape(rows, tf.concat([tf.shape(x)[:-1], widths], axis=0))
