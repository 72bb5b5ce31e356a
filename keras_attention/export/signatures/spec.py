"""The specification of a signature's input: name, shape with named sizes, and dtype."""

from typing import Any, NamedTuple

import keras

BATCH = "batch"


class Spec(NamedTuple):
    """An input of a signature; dimensions of unknown size may have names.

    Within a request, dimensions of the same name must have equal sizes, in one input or in
    several. A served signature refuses a request otherwise, where TensorFlow may broadcast: a mask
    with one column would mask a sentence completely, or not at all.

    Args:
        name: The input's name.
        shape: Tuple, whose entries are ints, None for any size, or names of sizes. If the first
            entry is None, it is named "batch"; this also holds for `keras.InputSpec`,
            `keras.KerasTensor` and `tf.TensorSpec`. All such inputs must therefore have the same
            batch size. Use another name if the first dimension is not the batch.
        dtype: Name of the dtype, such as "int32".
        below: Int or None, for integers. Ids must be 0, 1, …, below - 1; others are refused
            (if `below` is more than the dtype can hold, only negative ids are). Without
            it `keras.layers.Embedding` takes -1 for the last id, and on a GPU returns zeros for an
            id that does not exist. Default None.
        finite: Whether NaN and infinity are refused; if not, they can come back in the answer.
            Inputs that are specified by any other class refuse them. Default True.

    Example:
    >>> from keras_attention.export import Spec
    >>> words = Spec("words", (None, "length"), "int32", below=1000)
    >>> mask = Spec("mask", (None, "length"), "bool")  # cannot be of shape (batch, 1)
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
    """Convert any of the classes that describe a tensor to a `Spec`, and name its batch size.

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
