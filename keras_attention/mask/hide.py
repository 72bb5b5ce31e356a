"""What nobody may see is replaced by zeros before it can touch a number."""

from keras import ops


def hide(x, visible):
    """`x` with zeros where `visible` is False.

    A weight of 0 does not protect from NaN or infinity (0 * NaN is NaN, forward and in gradients):
    only a tensor that never held them does.

    Args:
        x: `(batch, ..., T, D)`.
        visible: Bool, broadcastable to `(batch, ..., T)`; None leaves `x` alone.

    Returns:
        Tensor like `x`.

    Example:
    >>> x = np.array([[[1.0], [np.nan]]])
    >>> keras_attention.mask.hide(x, np.array([[True, False]])).numpy().ravel()
    array([1., 0.])
    """
    if visible is None:
        return x
    return ops.where(ops.expand_dims(visible, -1), x, ops.zeros_like(x))
