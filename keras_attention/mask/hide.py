"""Zero masked positions, so that NaN or infinity in padding cannot reach any result."""

from keras import ops

from keras_attention.tensors import check_broadcastable
from keras_attention.types import Tensor


def hide(x: Tensor, visible: Tensor | None) -> Tensor:
    """Return `x` with zeros where `visible` is False.

    An attention weight of 0 does not keep NaN or infinity out of results and gradients, because
    0 * NaN is NaN. The values themselves have to be replaced.

    Args:
        x: `(batch, ..., T, D)`.
        visible: Bool, broadcastable to `(batch, ..., T)`; None returns `x` unchanged.

    Returns:
        Tensor of the shape and dtype of `x`.

    Raises:
        ValueError: If the shape of `visible` does not fit.

    Example:
    >>> x = np.array([[[1.0], [np.nan]]])
    >>> keras_attention.mask.hide(x, np.array([[True, False]])).numpy().ravel()
    array([1., 0.])
    """
    if visible is None:
        return x
    check_broadcastable("visible", visible, "positions", x.shape[:-1])
    return ops.where(ops.expand_dims(visible, -1), x, ops.zeros((), x.dtype))
