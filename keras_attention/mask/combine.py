"""The logical AND of several masks."""

import functools

from keras import ops

from keras_attention.tensors import check_masks_match
from keras_attention.types import Tensor


def combine(*masks: Tensor | None) -> Tensor | None:
    """Return the logical AND of masks, ignoring those that are None (= everything is visible).

    Args:
        *masks: Bool tensors that broadcast against one another, or None.

    Returns:
        The combined mask, or None if all masks are None.

    Raises:
        ValueError: If the masks do not broadcast against one another.

    Example:
    >>> keras_attention.mask.combine(None, np.array([True, False]), None)
    array([ True, False])
    """
    masks = tuple(mask for mask in masks if mask is not None)
    check_masks_match(masks)
    return functools.reduce(ops.logical_and, masks) if masks else None
