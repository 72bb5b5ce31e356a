"""What bands of keys that overlap have each of their own, summed key by key, on TensorFlow."""

import tensorflow as tf


def overlap_add(x, plan, heads, shared, keys):
    """Sums over the bands that a key stands in: cut in pieces of `rows`, those of one place added.

    Args:
        x: `(heads * shared * blocks, width, columns)`, what each block's band has.
        plan: The `Layout` with that band.
        heads, shared: Rows of keys, and heads that share each.
        keys: How many keys there are.

    Returns:
        `(heads, keys, width)`.
    """
    (segment,), width = plan.segments, x.shape[1]
    pieces = -(-segment.columns // plan.rows)
    x = tf.transpose(x[:, :, : segment.columns], (0, 2, 1))
    x = tf.pad(x, ((0, 0), (0, pieces * plan.rows - segment.columns), (0, 0)))
    x = tf.reshape(x, (heads, shared, plan.blocks, pieces, plan.rows, width))
    x = tf.reduce_sum(x, axis=1)
    x = sum(
        tf.pad(x[:, :, i], ((0, 0), (i, pieces - 1 - i), (0, 0), (0, 0))) for i in range(pieces)
    )
    x = tf.reshape(x, (heads, -1, width))
    x = tf.pad(x, ((0, 0), (plan.band.first, keys), (0, 0)))
    return tf.slice(x, (0, plan.band.front, 0), (heads, keys, width))
