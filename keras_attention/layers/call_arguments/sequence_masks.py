"""Masks of sequences, one entry per step: explicit ones, and the Keras masks of inputs."""

import functools

import keras
from keras import ops

from keras_attention.batch_axes import join_batch
from keras_attention.layers.call_arguments.masks import check_mask
from keras_attention.mask.bool_mask import to_bool_mask, to_mask_tensor

KERAS_MASK_HINT = (
    ". It is the Keras mask of an earlier layer (Embedding, Masking), which a layer in between "
    "(TimeDistributed, or one that changes the length) passed on unchanged. Pass a mask of the "
    "right shape explicitly"
)


class MaskReader(keras.layers.Layer):
    """Returns the Keras mask of its input, which Keras itself passes as `mask`."""

    def __init__(self):
        super().__init__(name="mask_reader", autocast=False)
        self.supports_masking = True

    def call(self, inputs, mask=None):
        return mask

    def compute_mask(self, inputs, mask=None):
        return None


_read_mask = functools.cache(MaskReader)


def keras_mask(x):
    """Return the Keras mask that a tensor carries from an earlier layer, or None."""
    mask = getattr(x, "_keras_mask", None)
    is_traced = keras.backend.backend() == "jax" and not isinstance(x, keras.KerasTensor)
    # JAX's tracers have no attributes: Keras stores their masks elsewhere, and passes them on.
    return _read_mask()(x) if mask is None and is_traced else mask


def prepare_mask(name, mask, x, ndim=None, query=None):
    """Check the mask of a sequence and return it as a bool tensor.

    Args:
        name: Name of the argument, for errors.
        mask: Bool, or 0 and 1; None returns None.
        x: The sequence `(batch, ..., T, D)`, or its vectors `(batch, ..., D)`.
        ndim: Number of axes of `x` that the mask has too; None = all but the last.
        query: The queries, if the mask may also be one of all pairs `(batch, ..., Tq, T)`.

    Raises:
        ValueError: If the mask does not have exactly the shape of the sequence, or is not a mask.
    """
    if mask is None:
        return None
    argument, mask = mask, to_mask_tensor(name, mask)
    if query is not None and len(mask.shape) == len(x.shape):
        batch = join_batch(*(tensor.shape[: len(x.shape) - 2] for tensor in (query, x)))
        queries = query.shape[-2] if len(query.shape) == len(x.shape) else 1
        check_mask(name, mask, (*batch, queries, x.shape[-2]), exact_rank=False)
        return to_bool_mask(name, mask)
    ndim = len(x.shape) - 1 if ndim is None else ndim
    try:
        check_mask(name, mask, x.shape[:ndim])
    except ValueError as error:
        hint = KERAS_MASK_HINT if argument is keras_mask(x) else ""
        raise ValueError(f"{error}{hint}") from None
    return _match_length(to_bool_mask(name, mask), x, ndim)


def prepare_sequence_mask(name, mask, x):
    """Return `prepare_mask` of an explicit mask, or else of the Keras mask of `x`."""
    return prepare_mask(name, keras_mask(x) if mask is None else mask, x)


def _match_length(mask, x, ndim):
    """Return the mask with the length of `x`; if one is unknown, compare them at run time.

    Operations would otherwise broadcast a mask of one column. The reshape fails instead.
    """
    lengths = mask.shape[-1], x.shape[ndim - 1]
    is_symbolic = any(isinstance(tensor, keras.KerasTensor) for tensor in (mask, x))
    if is_symbolic or None not in lengths:
        return mask
    return ops.reshape(mask, (*ops.shape(mask)[:-1], ops.shape(x)[ndim - 1]))
