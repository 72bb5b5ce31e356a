"""Mask of the keys that were pointed to before."""

from keras import ops

from keras_attention import arguments
from keras_attention.integers import to_int32
from keras_attention.types import Tensor


def visited(indices: Tensor, keys: int | Tensor) -> Tensor:
    """Return the mask in which key j is masked for query i if it is among the first i + 1 indices.

    Args:
        indices: Int `(batch, ..., Tq)`: the key that was pointed to right before each query. An
            index outside [0, keys), such as -1, stands for no key.
        keys: Number of keys Tk, an int or a scalar tensor.

    Returns:
        Bool `(batch, ..., Tq, Tk)`, True = not visited yet, therefore visible.

    Raises:
        ValueError: If the indices have no axis of queries, or `keys` is not an integer of at least
            0.

    Example:
    >>> keras_attention.mask.visited(np.array([-1, 2, 0]), 3).numpy().astype(int)
    array([[1, 1, 1],
           [1, 1, 0],
           [0, 1, 0]])
    """
    keys = arguments.size("keys", keys)
    indices = ops.expand_dims(to_int32(indices), -1)
    if len(indices.shape) < 2:
        raise ValueError(
            "Expected `indices` of shape (batch, ..., Tq). "
            f"Received: indices of shape {tuple(indices.shape[:-1])}"
        )
    visits = ops.cast(ops.equal(indices, ops.arange(keys, dtype="int32")), "int32")
    return ops.equal(ops.cumsum(visits, axis=-2), 0)
