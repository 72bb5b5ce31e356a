"""Matrix products inside of the loops on TensorFlow, which have gradients of their own."""

import tensorflow as tf

from keras_attention.kernels.matmul import multiply_without_gradient
from keras_attention.precision import at_least_float32, saturate_cast


def multiply(a, b, dtype, transpose_a=False, transpose_b=False):
    """Multiply matrices, rounded to `dtype`; the product is float32 or float64."""
    a, b = (saturate_cast(x, tf.as_dtype(dtype).name) for x in (a, b))
    return at_least_float32(multiply_without_gradient(a, b, transpose_a, transpose_b))
