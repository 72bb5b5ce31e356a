"""Several masks at once: a key may be seen where all of them say so."""

from keras import ops


def combine(*masks):
    """Logical AND of masks, each of which may be None (= everything may be seen).

    Args:
        *masks: Bool tensors that broadcast against one another, or None.

    Returns:
        Their conjunction, or None if all are None.

    Example:
    >>> keras_attention.mask.combine(None, np.array([True, False]), None)
    array([ True, False])
    """
    combined = None
    for mask in masks:
        if mask is not None:
            combined = mask if combined is None else ops.logical_and(combined, mask)
    return combined
