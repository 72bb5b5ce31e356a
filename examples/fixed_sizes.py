"""Give the rows of an exported output sizes that do not depend on the rest of the batch."""

import tensorflow as tf


def fix_sizes(rows, sizes):
    """Cut or pad (batch, ...) to (batch, *sizes), with zeros or empty strings.

    If rows were padded to the longest of their batch instead, a client would get other sizes
    whenever the server adds another client's longer row to the batch.
    """
    rows = rows[(slice(None), *(slice(size) for size in sizes))]
    missing = tf.constant(sizes) - tf.shape(rows)[1:]
    paddings = tf.concat([[(0, 0)], tf.stack([tf.zeros_like(missing), missing], axis=1)], axis=0)
    padding = "" if rows.dtype == tf.string else tf.zeros((), rows.dtype)
    return tf.ensure_shape(tf.pad(rows, paddings, constant_values=padding), (None, *sizes))
