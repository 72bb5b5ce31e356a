"""Backend-fused attention, wrapped to keep this package's masking guarantees."""

import keras
from keras import ops

from keras_attention.mask import hide
from keras_attention.precision import HALF_PRECISION, at_least_float32


def jax_has_fused_attention(query):
    """Return whether JAX runs attention as one fused kernel: half precision on a GPU."""
    dtype = keras.backend.standardize_dtype(query.dtype)
    if keras.backend.backend() != "jax" or dtype not in HALF_PRECISION:
        return False
    import jax

    return jax.default_backend() == "gpu"


def fused_attention(query, key, value, mask):
    """Compute the context by `keras.ops.dot_product_attention`, for PyTorch and JAX.

    Backends differ in their result for a query without a visible key. So all keys are made visible
    to it, and its context is set to zero afterwards, with gradient zero.

    Args:
        query: `(batch, heads, Tq, D)`, scaled. Half precision is the dtype of the products only:
            their sums are float32.
        key: `(batch, groups, Tk, D)`, where groups divide heads.
        value: `(batch, groups, Tk, Dv)`.
        mask: A `StructuredMask`.

    Returns:
        `(batch, heads, Tq, Dv)` in the dtype of `value`.
    """
    has_visible_key = mask.query_has_visible_key()
    has_visible_key = None if has_visible_key is None else ops.expand_dims(has_visible_key, -2)
    # The backends have an option for a causal mask alone; every other mask has to be dense.
    is_square = mask.queries is mask.keys or mask.queries == mask.keys
    has_other_mask = mask.window is not None or mask.key_mask is not None or mask.pairs is not None
    is_causal = mask.causal and is_square and has_visible_key is None and not has_other_mask
    dense = None if is_causal else mask.dense()
    if dense is not None:
        if len(dense.shape) == 2:
            dense = ops.expand_dims(dense, 0)
        dense = ops.expand_dims(dense, -3)
        if has_visible_key is not None:
            dense = ops.logical_or(dense, ops.logical_not(ops.expand_dims(has_visible_key, -1)))
    tensors = [query, key, value]
    if value.dtype != query.dtype:
        tensors = [at_least_float32(x) for x in tensors]
    context = ops.dot_product_attention(
        *(ops.swapaxes(x, 1, 2) for x in tensors), mask=dense, scale=1.0, is_causal=is_causal
    )
    context = ops.cast(ops.swapaxes(context, 1, 2), value.dtype)
    return hide(context, has_visible_key)
