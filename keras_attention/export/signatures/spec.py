"""The specification of a signature's input: name, shape with named sizes, and dtype."""

from collections.abc import Mapping, Sequence
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
        below: Int, the name of a size in the shape of this or another input of the signature, or
            None; only for integer dtypes. Ids must be 0, 1, …, below - 1; others are rejected. (If
            `below` is more than the dtype can hold, only negative ids are rejected.) Without
            `below`, `keras.layers.Embedding` looks up -1 as the last id, and on a GPU returns
            zeros for an id that does not exist. Default None.
        finite: Whether NaN and infinity are rejected; otherwise they may reach the answer. Inputs
            that are specified by any class other than `Spec` reject them. Default True.
        at_most: Dict of the name of a size in `shape` to the largest size that is accepted, or
            None. The time and memory of a request grow with its sizes, so a server for unknown
            clients needs such limits. If all sequences are limited to less than 512 elements, the
            graph holds only the way of computing attention that suits short ones, and is smaller.
            Default None.

    Example:
    >>> from keras_attention.export import Spec
    >>> words = Spec("words", (None, "length"), "int32", below=1000)
    >>> mask = Spec("mask", (None, "length"), "bool")  # as long as `words`
    >>> text = Spec("text", (None, "length"), "int32", at_most={"batch": 64, "length": 512})

    One step of a decoder with a `keras_attention.KeyValueCache`. A request whose cache is full is
    rejected; otherwise its token would not be written:

    >>> keys = Spec("keys", (None, 2, "slots", 16), "float32")
    >>> position = Spec("position", (None,), "int32", below="slots")
    """

    name: str
    shape: tuple[int | str | None, ...]
    dtype: str
    below: int | str | None = None
    finite: bool = True
    at_most: Mapping[str, int] | None = None

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
    if not all(size is None or isinstance(size, int | str) for size in shape):
        raise TypeError(shape)
    dtype = tf.as_dtype(description.dtype)
    if not isinstance(description, Spec):
        return Spec(description.name, shape, dtype.name)
    below, at_most = description.below, description.at_most
    is_positive = type(below) is int and below > 0
    is_name = isinstance(below, str) and bool(below)
    if below is not None and not ((is_positive or is_name) and dtype.is_integer):
        raise ValueError("`below` needs a positive int or the name of a size, and an integer dtype")
    if at_most is not None and not _are_limits(at_most, shape):
        raise ValueError("`at_most` needs positive ints by the names of sizes")
    return Spec(description.name, shape, dtype.name, below, description.finite, at_most)


def find_max_length(specs: Sequence[Spec]) -> int | None:
    """Return the largest size of all axes that vary but the batch; None = there is no limit."""
    limits = {name: limit for spec in specs for name, limit in (spec.at_most or {}).items()}
    names = {axis for spec in specs for axis in spec.shape[1:] if not isinstance(axis, int)}
    if names - limits.keys():
        return None
    return max((limit for name, limit in limits.items() if name in names), default=0)


def _are_limits(at_most: Any, shape: tuple) -> bool:
    """Return True if `at_most` is a dict of positive ints by the names of sizes in `shape`."""
    return isinstance(at_most, Mapping) and all(
        isinstance(name, str) and name in shape and type(limit) is int and limit > 0
        for name, limit in at_most.items()
    )
