"""Matrix products and projections; in half precision, their sums are float32."""

import keras
from keras import ops

from keras_attention.batch_axes import broadcast_axes, join_batch_sizes
from keras_attention.kernels.xla_context import is_inside_xla
from keras_attention.precision import HALF_PRECISION, at_least_float32, saturate_cast
from keras_attention.types import Tensor


def matmul(a: Tensor, b: Tensor) -> Tensor:
    """Multiply matrices; a product of half-precision inputs is accumulated in float32.

    Such a product is returned in float32 where the backend can do so without computing in float32
    throughout: on JAX, and on TensorFlow under XLA. A plain TensorFlow graph has no such operation.
    There a product of bfloat16 is rounded once, to bfloat16: this takes half the time of a float32
    product of the same inputs (`docs/speed.md`). A product of float16 could overflow, and is not
    faster on a CPU, so that it is computed in float32. PyTorch rounds once too.

    Batch axes that are known to differ are made equal before: see `batch_axes`.

    Args:
        a: `(batch, ..., m, k)`, any float dtype.
        b: `(batch, ..., k, n)`, any float dtype; or without batch axes.

    Returns:
        `(batch, ..., m, n)`: the product of half precision in float32, or rounded once to the dtype
        of both; any other product in float32 or float64.
    """
    dtype, other_dtype = (keras.backend.standardize_dtype(x.dtype) for x in (a, b))
    is_half = dtype == other_dtype and dtype in HALF_PRECISION
    if dtype != other_dtype:
        a, b = at_least_float32(a), at_least_float32(b)
    axes = len(a.shape) - 2
    if axes > 1 and len(a.shape) == len(b.shape) and tuple(a.shape[:axes]) != tuple(b.shape[:axes]):
        sizes = join_batch_sizes([a, b], axes)
        a, b = broadcast_axes(a, sizes), broadcast_axes(b, sizes)
    if not is_half:
        return ops.matmul(a, b)
    backend = keras.backend.backend()
    if backend == "jax":
        return _multiply_in_jax(a, b, dtype)
    if backend == "tensorflow" and is_inside_xla():
        return _multiply_in_xla(a, b)
    return ops.matmul(*_prepare(a, b))


def score_products(query: Tensor, key: Tensor) -> Tensor:
    """Compute the dot products of all pairs of queries and keys, in float32 or float64.

    Args:
        query: `(batch, ..., Tq, D)`, any float dtype.
        key: `(batch, ..., Tk, D)`, any float dtype.

    Returns:
        `(batch, ..., Tq, Tk)`. In half precision, a plain TensorFlow graph rounds them once, as
        `matmul` does. PyTorch does not, so that they equal those of its fused attention.
    """
    if keras.backend.backend() == "torch":
        query, key = at_least_float32(query), at_least_float32(key)
    scores = matmul(query, ops.swapaxes(key, -1, -2))
    is_half = keras.backend.standardize_dtype(scores.dtype) in HALF_PRECISION
    return at_least_float32(scores) if is_half else scores


def project(
    x: Tensor,
    kernel: Tensor,
    bias: Tensor | None = None,
    dtype: str | None = None,
    compute_dtype: str | None = None,
    heads: int | None = None,
) -> Tensor:
    """Compute `x kernel + bias` in the dtype of `x`.

    Args:
        x: `(..., width)`.
        kernel: `(width, units)`, of any float dtype, cast to that of `x`.
        bias: `(units,)`, of any float dtype, or None.
        dtype: Dtype of the result if `x` has half precision; None = that of `x`. An overflow of
            float16 saturates.
        compute_dtype: If this is half precision, `x` is rounded to it first.
        heads: Number of heads into which the units are split; None = no axis of heads.

    Returns:
        `(..., units)`, or `(..., heads, units / heads)`.
    """
    if compute_dtype in HALF_PRECISION:
        x = saturate_cast(x, compute_dtype)
    if x.shape[-1] not in (None, kernel.shape[0]):
        raise ValueError(
            f"Expected the width {kernel.shape[0]} that the layer was built with. "
            f"Received: a tensor of shape {tuple(x.shape)}"
        )
    x_dtype = keras.backend.standardize_dtype(x.dtype)
    # One product of rows. Keras's product of three axes and two takes TensorFlow twenty operations
    # on shapes, which take longer than the product itself in a decoding step.
    rows = to_rows(x) if len(x.shape) > 2 else x
    is_half = x_dtype in HALF_PRECISION
    projected = matmul(rows, saturate_cast(kernel, x_dtype) if is_half else kernel)
    if bias is not None:
        projected = ops.add(projected, ops.cast(bias, projected.dtype))
    if is_half:
        projected = saturate_cast(projected, dtype or x_dtype)
    widths = (kernel.shape[1],) if heads is None else (heads, kernel.shape[1] // heads)
    return projected if rows is x and heads is None else from_rows(projected, x, *widths)


def to_rows(x: Tensor) -> Tensor:
    """Reshape `(..., width)` to `(rows, width)`; the width is known and not zero."""
    return ops.reshape(x, (-1, x.shape[-1]))


def from_rows(rows: Tensor, x: Tensor, *widths: int) -> Tensor:
    """Reshape the rows of a result `(rows, units)` to `(*axes, *widths)`.

    The rows are those of `x`, `(*axes, width)`; the product of the widths is `units`.
    """
    sizes, is_unknown = x.shape[:-1], [size is None for size in x.shape[:-1]]
    if sum(is_unknown) == 0 or sum(is_unknown) == 1 and 0 not in sizes:
        return ops.reshape(rows, (*(-1 if size is None else size for size in sizes), *widths))
    import tensorflow as tf  # Only TensorFlow has unknown sizes.

    # `ops.shape` would take four operations for each size.
    if widths == (x.shape[-1],):
        return tf.reshape(rows, tf.shape(x))
    return tf.reshape(rows, tf.concat([tf.shape(x)[:-1], widths], axis=0))


def multiply_without_gradient(a: Tensor, b: Tensor, transpose_a=False, transpose_b=False):
    """Multiply as `matmul`, on TensorFlow, after optional transpositions.

    The operation that is used under XLA has no gradient.
    """
    import tensorflow as tf

    if keras.backend.standardize_dtype(a.dtype) in HALF_PRECISION and is_inside_xla():
        return tf.raw_ops.BatchMatMulV3(
            x=a, y=b, Tout=tf.float32, adj_x=transpose_a, adj_y=transpose_b
        )
    return tf.matmul(*_prepare(a, b), transpose_a=transpose_a, transpose_b=transpose_b)


def _prepare(a, b):
    """Return the factors in the dtype in which they are multiplied without XLA."""
    if keras.backend.standardize_dtype(a.dtype) == "float16" and not _is_on_gpu(a):
        return ops.cast(a, "float32"), ops.cast(b, "float32")
    return a, b


def _is_on_gpu(x):
    if keras.backend.backend() == "torch":
        return x.is_cuda
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))


def _multiply_in_jax(a, b, dtype):
    import jax
    from jax import lax
    from jax import numpy as jnp

    # The algorithm rounds the upstream gradient, which is float32, before it is multiplied, so that
    # the products of the gradient are of half precision too. JAX has none for float16 on CPUs.
    algorithm = None
    if dtype == "bfloat16":
        algorithm = lax.DotAlgorithmPreset.BF16_BF16_F32
    elif jax.default_backend() == "gpu":
        algorithm = lax.DotAlgorithmPreset.F16_F16_F32
    return jnp.matmul(a, b, precision=algorithm, preferred_element_type="float32")


def _multiply_in_xla(a, b):
    import tensorflow as tf

    if len(b.shape) == 2 < len(a.shape):  # one product instead of a batch of products
        rows = _multiply_in_xla(tf.reshape(a, (-1, a.shape[-1])), b)
        return tf.reshape(rows, (*ops.shape(a)[:-1], b.shape[-1]))

    # TensorFlow's own gradient multiplies float32 by half precision, which it rejects.
    @tf.custom_gradient
    def multiply(a, b):
        def gradient(upstream):
            upstream = saturate_cast(upstream, a.dtype.name)
            # The reshapes make the arguments tensors of the gradient's own graph.
            left, right = (tf.reshape(x, ops.shape(x)) for x in (a, b))
            grad_a = _multiply_in_xla(upstream, tf.linalg.matrix_transpose(right))
            grad_b = _multiply_in_xla(tf.linalg.matrix_transpose(left), upstream)
            return saturate_cast(grad_a, a.dtype.name), saturate_cast(grad_b, b.dtype.name)

        return multiply_without_gradient(a, b), gradient

    return multiply(a, b)
