"""The weights before the first query, for attention that depends on the previous weights."""

from keras import ops

from keras_attention.kernels.prepared_memory import PreparedMemory
from keras_attention.mask.structured_mask import as_structured_mask
from keras_attention.types import Tensor


def uniform_weights(memory: PreparedMemory, dtype: str) -> Tensor:
    """Return the same weight for each visible key of a sequence: `(batch, Tk)`.

    A key is visible here if any query may attend to it. Without a visible key, all weights are 0.
    """
    visible = ops.cast(_visible_keys(memory), dtype)
    return visible / ops.maximum(ops.sum(visible, axis=-1, keepdims=True), 1.0)


def first_key_weights(memory: PreparedMemory, dtype: str) -> Tensor:
    """Return all weight at the first visible key of each sequence: `(batch, Tk)`."""
    visible = _visible_keys(memory)
    count = ops.cumsum(ops.cast(visible, "int32"), axis=-1)
    return ops.cast(ops.logical_and(visible, ops.equal(count, 1)), dtype)


def _visible_keys(memory):
    batch, keys, _ = ops.shape(memory.values)
    visible = as_structured_mask(memory.mask, None, keys).key_is_visible()
    visible = True if visible is None else visible
    return ops.broadcast_to(visible, (batch, keys))
