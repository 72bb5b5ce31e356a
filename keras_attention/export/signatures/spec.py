"""The specification of a signature's input: name, shape with named sizes, and dtype."""

from typing import Any, NamedTuple

import keras

BATCH = "batch"


class Spec(NamedTuple):
    """An input of a signature; dimensions of unknown size may have names.

    Within a request, dimensions of the same name must have the same size, in one input and across
    inputs. The served graph rejects any other request. Otherwise TensorFlow might broadcast: a mask
    with one column would mask a whole sentence or nothing.

    Args:
        name: The input's name.
        shape: Tuple of ints, None (any size) and strings (named sizes). A first entry of None is
            named "batch", so that all such inputs must have the same batch size. This also holds
            for inputs that are specified as `keras.InputSpec`, `keras.KerasTensor` or
            `tf.TensorSpec`. Use another name if the first dimension is not the batch.
        dtype: Name of the dtype, such as "int32".
        below: Int or None; only for integer dtypes. Ids must be 0, 1, …, below - 1; others are
            rejected. (If `below` is more than the dtype can hold, only negative ids are rejected.)
            Without `below`, `keras.layers.Embedding` looks up -1 as the last id, and on a GPU
            returns zeros for an id that does not exist. Default None.
        finite: Whether NaN and infinity are rejected; otherwise they may reach the answer. Inputs
            that are specified by any class other than `Spec` reject them. Default True.

    Example:
    >>> from keras_attention.export import Spec
    >>> words = Spec("words", (None, "length"), "int32", below=1000)
    >>> mask = Spec("mask", (None, "length"), "bool")  # as long as `words`
    """

    name: str
    shape: tuple[int | str | None, ...]
    dtype: str
    below: int | None = None
    finite: bool = True

    def tensor_spec(self) -> Any:
        """Return the spec as a tf.TensorSpec, which has no names for sizes."""
        import tensorflow as tf

        shape = [size if isinstance(size, int) else None for size in self.shape]
        return tf.TensorSpec(shape, self.dtype, name=self.name)


def as_spec(description: Any) -> Spec:
    """Convert the description of a tensor to a `Spec`, and name its batch dimension.

    Args:
        description: A `Spec`, `keras.InputSpec`, `keras.KerasTensor` or `tf.TensorSpec`.

    Raises:
        ValueError, TypeError: If the name, shape or dtype is missing or invalid.
    """
    import tensorflow as tf

    if not isinstance(description, Spec | keras.InputSpec | keras.KerasTensor | tf.TensorSpec):
        raise TypeError(type(description))
    if description.shape is None or description.dtype is None:
        raise ValueError("no shape or no dtype")
    shape = tuple(description.shape)
    if shape[:1] == (None,):
        shape = (BATCH, *shape[1:])
    is_spec = isinstance(description, Spec)
    below, finite = (description.below, description.finite) if is_spec else (None, True)
    if not all(size is None or isinstance(size, int | str) for size in shape):
        raise TypeError(shape)
    dtype = tf.as_dtype(description.dtype)
    if below is not None and not (type(below) is int and below > 0 and dtype.is_integer):
        raise ValueError("`below` needs a positive int and an integer dtype")
    return Spec(description.name, shape, dtype.name, below, finite)
