"""What a signature takes: names, dtypes, and sizes that may have names, too."""

from typing import NamedTuple

import keras

BATCH = "batch"


class Spec(NamedTuple):
    """An input of a signature, with names for sizes that are unknown before a request.

    Sizes of one name must be equal in a request, in one input or in several. A served signature
    refuses them otherwise, where TensorFlow may broadcast: a mask of one column would hide or
    show a whole sentence.

    Args:
        name: The input's name.
        shape: Tuple, whose entries are ints, None for any size, or names of sizes. The first
            one, if None, is named "batch", and this holds for `keras.InputSpec`,
            `keras.KerasTensor` and `tf.TensorSpec` too: all such inputs are refused unless they
            are equally many. Name it otherwise where it counts something else.
        dtype: Name of the dtype, as "int32".
        below: Int or None, for integers. Ids have to be 0, 1, …, below - 1, and others are refused
            (where `below` is more than the dtype can hold, only negative ones). Without
            it `keras.layers.Embedding` reads -1 as the last id, and on a GPU zeros where there
            is no such id. Default None.
        finite: Whether NaN and infinity are refused, which else come back as an answer. Of all
            kinds of specs that know nothing of it, they are. Default True.

    Example:
    >>> from keras_attention.export import Spec
    >>> words = Spec("words", (None, "length"), "int32", below=1000)
    >>> mask = Spec("mask", (None, "length"), "bool")  # not of shape (batch, 1)
    """

    name: str
    shape: tuple
    dtype: str
    below: int | None = None
    finite: bool = True

    def tensor_spec(self):
        """As a tf.TensorSpec, which knows no names of sizes."""
        import tensorflow as tf

        shape = [size if isinstance(size, int) else None for size in self.shape]
        return tf.TensorSpec(shape, self.dtype, name=self.name)


def as_spec(given):
    """A `Spec` of any of the kinds that describe a tensor, its first size named.

    Raises:
        ValueError, TypeError: If it does not say its name, shape and dtype.
    """
    import tensorflow as tf

    if not isinstance(given, Spec | keras.InputSpec | keras.KerasTensor | tf.TensorSpec):
        raise TypeError(type(given))
    if given.shape is None or given.dtype is None:
        raise ValueError("no shape or no dtype")
    shape = tuple(given.shape)
    if shape[:1] == (None,):
        shape = (BATCH, *shape[1:])
    below, finite = (given.below, given.finite) if isinstance(given, Spec) else (None, True)
    if not all(size is None or isinstance(size, int | str) for size in shape):
        raise TypeError(shape)
    dtype = tf.as_dtype(given.dtype)
    if below is not None and not (type(below) is int and below > 0 and dtype.is_integer):
        raise ValueError("below is no id's bound")
    return Spec(given.name, shape, dtype.name, below, finite)
