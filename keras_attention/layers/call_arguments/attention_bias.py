"""The `attention_bias` argument, added to the scores (relative position biases, for example)."""

import dataclasses
from typing import Any

import keras
from keras import ops

from keras_attention.kernels.bias import is_in_range, run_fast_or_safe
from keras_attention.mask import combine
from keras_attention.mask.bool_mask import check_mask
from keras_attention.mask.structured_mask import StructuredMask
from keras_attention.tensors import check_tensors, convert_argument
from keras_attention.types import Tensor


def prepare_attention_bias(bias, query, keys, heads, dtype):
    """Check a call's `attention_bias`, cast it, and add an axis of queries if it has none.

    Args:
        bias: Float, broadcastable to `(batch, ..., heads, Tq, Tk)` (to `(batch, ..., heads, Tk)`
            for a single query), or None.
        query: `(batch, ..., Tq, Dq)`, or `(batch, ..., Dq)` for a single query.
        keys: `(batch, ..., Tk, width)`.
        heads: Number of heads.
        dtype: Dtype of the scores.

    Returns:
        Tensor of rank 2 or more, broadcastable to `(batch, ..., heads, Tq, Tk)`; None without a
        bias.

    Raises:
        ValueError: If the bias is not of a float dtype, or its shape does not fit query and keys.
    """
    if bias is None:
        return None
    bias = ops.convert_to_tensor(convert_argument("attention_bias", bias))
    check_attention_bias(bias, query, keys, heads)
    bias = ops.cast(bias, dtype)
    is_single = len(query.shape) < len(keys.shape)
    return ops.expand_dims(bias, -2) if is_single or len(bias.shape) == 1 else bias


@dataclasses.dataclass(frozen=True)
class BiasedMask(StructuredMask):
    """A mask that zeroes what a bias of -inf excludes as well.

    A pair whose bias is -inf only in some heads stays visible here. In these heads it is masked
    when the bias is added to the scores.

    Args:
        bias: What `prepare_attention_bias` returned.
    """

    bias: Any = None

    def zero_masked_keys(self, x: Tensor) -> Tensor:
        return run_fast_or_safe(
            self.bias,
            lambda: StructuredMask.zero_masked_keys(self, x),
            lambda: self._mask_excluded().zero_masked_keys(x),
        )

    def zero_masked_queries(self, x: Tensor, is_single: bool = False) -> Tensor:
        return run_fast_or_safe(
            self.bias,
            lambda: StructuredMask.zero_masked_queries(self, x, is_single),
            lambda: self._mask_excluded().zero_masked_queries(x, is_single),
        )

    def _mask_excluded(self):
        """Return the mask with the keys masked to which the bias of every head is -inf."""
        parts = dict(vars(self))
        bias = parts.pop("bias")
        *batch, _, queries, keys = (1, 1, *ops.shape(bias))[-4:]
        bias = ops.reshape(bias, (*batch, -1, queries, keys))
        # Most biases exclude nothing, and the second branch is slow.
        visible = ops.cond(
            is_in_range(bias),
            lambda: ops.ones((*batch, queries, keys), "bool"),
            lambda: ops.any(ops.not_equal(bias, float("-inf")), axis=1),
        )
        if visible.shape[-2] != 1:
            return StructuredMask(**{**parts, "pairs": combine(self.pairs, visible)})
        # A mask of keys needs no (Tq, Tk) tensor.
        visible = ops.broadcast_to(visible[..., 0, :], (*batch, self.keys))
        return StructuredMask(**{**parts, "key_mask": combine(self.key_mask, visible)})


def add_bias_to_mask(mask, bias):
    """Return a `StructuredMask` with a bias, as a `BiasedMask`."""
    return BiasedMask(**vars(mask), bias=bias)


def check_attention_bias(bias, query, keys, heads):
    """Raise a ValueError if the bias, which may be symbolic, does not fit query and keys."""
    if bias is None:
        return
    check_tensors("attention_bias", bias)
    dtype = keras.backend.standardize_dtype(bias.dtype)
    if not keras.backend.is_float_dtype(dtype):
        raise ValueError(
            "Expected `attention_bias` to be of a float dtype. "
            f"Received: attention_bias of dtype {dtype}"
        )
    *outer, key_count, _ = keys.shape
    shape = (*outer, heads, *query.shape[len(outer) : -1], key_count)
    check_mask("attention_bias", bias, shape, exact_rank=False)
