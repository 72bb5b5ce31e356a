"""The first visible key and the length up to the last visible key of a padded sequence."""

from keras import ops

from keras_attention.types import Tensor


def span(mask: Tensor) -> tuple[Tensor, Tensor]:
    """Return the index of the first visible key and the number of keys up to the last visible one.

    A key is visible here if it is visible to any query. The length of a sequence therefore does
    not depend on how much padding precedes and follows it; masked keys between the first and the
    last visible key are counted.

    Args:
        mask: Bool `(batch, ..., Tq, Tk)`, True = visible.

    Returns:
        The index of the first visible key and the length S, both int32 `(batch, ...)`. If no key
        is visible, S is 0.

    Raises:
        ValueError: If the mask has fewer than two axes.

    Example:
    >>> mask = np.array([[[False, True, False, True, True, False]]])
    >>> start, length = keras_attention.mask.span(mask)
    >>> start.numpy(), length.numpy()
    (array([1], dtype=int32), array([4], dtype=int32))
    """
    if len(mask.shape) < 2:
        raise ValueError(
            "Expected `mask` of shape (batch, ..., Tq, Tk). "
            f"Received: mask of shape {tuple(mask.shape)}"
        )
    visible = ops.any(mask, axis=-2)
    keys = ops.shape(visible)[-1]
    positions = ops.arange(keys, dtype="int32")
    start = ops.min(ops.where(visible, positions, keys), axis=-1)
    end = ops.max(ops.where(visible, positions + 1, 0), axis=-1)
    return start, ops.maximum(end - start, 0)
