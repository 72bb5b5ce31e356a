"""The attention that a backend brings along, kept to this package's promises."""

import keras
from keras import ops

from keras_attention.mask import hide

HALF = "float16", "bfloat16"


def jax_fuses(dtype):
    """Whether what JAX brings along is, which on a GPU in half precision it is, one kernel."""
    if keras.backend.backend() != "jax" or dtype not in HALF:
        return False
    import jax

    return jax.default_backend() == "gpu"


def fused_attention(query, key, value, visible, dtype="float32"):
    """Context of each query by `keras.ops.dot_product_attention`, for PyTorch and JAX.

    What backends make of a query that sees nothing differs, so it is let see everything, and what
    it read is put away: zero, with gradient zero.

    Args:
        query: `(batch, heads, Tq, D)`, scaled.
        key: `(batch, groups, Tk, D)`, where groups divide heads.
        value: `(batch, groups, Tk, Dv)`.
        visible: A `Visible`.
        dtype: Compute dtype of the layer. On a GPU, whose fused kernels are for half precision
            alone, the products are taken of numbers rounded to it, and summed in float32.

    Returns:
        `(batch, heads, Tq, Dv)` in the dtype of `value`.
    """
    sees, mask = visible.query_has_visible_key(), visible.dense()
    is_square = visible.queries is visible.keys or visible.queries == visible.keys
    is_causal = visible.causal and visible.window is None and sees is None and is_square
    if is_causal and visible.key_mask is None and visible.pairs is None:
        mask = None  # the one mask that backends know by name
    else:
        is_causal = False
    if mask is not None:
        if sees is not None:
            mask = ops.logical_or(mask, ops.logical_not(ops.expand_dims(sees, -1)))
        mask = ops.expand_dims(mask, -3)
        while len(mask.shape) < 4:
            mask = ops.expand_dims(mask, 0)
    tensors = [query, key, value]
    if jax_fuses(dtype) or dtype in HALF and keras.backend.backend() == "torch" and query.is_cuda:
        largest = 65504.0 if dtype == "float16" else 3e38
        tensors = [ops.cast(ops.clip(x, -largest, largest), dtype) for x in tensors]
    context = ops.dot_product_attention(
        *(ops.swapaxes(x, 1, 2) for x in tensors), mask=mask, scale=1.0, is_causal=is_causal
    )
    context = ops.cast(ops.swapaxes(context, 1, 2), value.dtype)
    return hide(context, None if sees is None else ops.expand_dims(sees, -2))
