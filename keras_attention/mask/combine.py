"""The logical AND of several masks."""

from keras import ops

from keras_attention.types import Tensor


def combine(*masks: Tensor | None) -> Tensor | None:
    """Return the logical AND of masks, ignoring those that are None (= everything is visible).

    Args:
        *masks: Bool tensors that broadcast against one another, or None.

    Returns:
        The combined mask, or None if all masks are None.

    Example:
    >>> keras_attention.mask.combine(None, np.array([True, False]), None)
    array([ True, False])
    """
    combined = None
    for mask in masks:
        if mask is not None:
            combined = mask if combined is None else ops.logical_and(combined, mask)
    return combined
