"""The tensors of a call: refuse kinds and shapes that it does not take, and find Keras masks."""

import functools
from typing import Any

import keras
from keras import ops, tree

UNSUPPORTED = ("RaggedTensor", "SparseTensor", "IndexedSlices", "BCOO")
ONE_VECTOR = (
    "One vector per sample, (batch, D), comes from a recurrent layer without "
    "`return_sequences=True`; token ids, (batch, T), need an Embedding."
)


def check_tensors(name, *tensors):
    """Raise a ValueError if a tensor, which may be symbolic, is ragged or sparse, or holds text.

    Anything without a shape, such as a string, is refused too.

    Args:
        name: Name of the argument.
        *tensors: Tensors, symbolic ones and arrays; None is skipped.
    """
    for x in tensors:
        if x is not None and not hasattr(x, "shape"):
            raise ValueError(f"Expected `{name}` to be a tensor. Received: {name}={x!r}")
        is_ragged = getattr(x, "ragged", False) is True
        if _is_sparse(x) or is_ragged or type(x).__name__ in UNSUPPORTED:
            raise ValueError(
                f"Expected `{name}` to be dense. Pad a ragged tensor with `.to_tensor()` and pass "
                "a mask of its lengths; convert a sparse tensor to a dense one. "
                f"Received: {name} of type {type(x).__name__}"
            )
        if _is_text(x):
            raise ValueError(
                f"Expected `{name}` to be numbers. Turn text into token ids with a "
                "TextVectorization, and those into vectors with an Embedding. "
                f"Received: {name} of dtype {x.dtype}"
            )


def _is_sparse(x):
    if getattr(x, "is_sparse", False) is True:
        return True
    # Keras marks the product of a dense symbolic tensor and a number as sparse. Such a tensor comes
    # from an operation; one that is sparse by intention comes from an `Input`, or from nowhere.
    history = getattr(x, "_keras_history", None)
    is_result = history is not None and not isinstance(history.operation, keras.layers.InputLayer)
    return getattr(x, "sparse", False) is True and not is_result


def convert_argument(name, x):
    """Return an argument, which may be nested lists of numbers, as a tensor; symbols stay symbols.

    Args:
        name: Name of the argument, for the error message.
        x: Its value.

    Raises:
        ValueError: If it cannot be converted, or is as `check_tensors` refuses it.
    """
    if not hasattr(x, "dtype"):
        try:
            x = ops.convert_to_tensor(x)
        except (TypeError, ValueError, RuntimeError) as error:
            raise ValueError(f"Expected `{name}` to be numbers. Received: {name}={x!r}") from error
    check_tensors(name, x)
    return x


def check_not_symbolic(method, **arguments):
    """Raise a ValueError if an argument contains a symbolic tensor of a functional model.

    A functional model knows the weights of the layers that are called. Weights that a method uses
    on symbolic tensors would be neither trained nor saved with the model.

    Args:
        method: Name of the method, for the error message.
        arguments: The method's arguments, each a nest of tensors.
    """
    for name, nest in arguments.items():
        for x in tree.flatten(nest):
            if isinstance(x, keras.KerasTensor):
                raise ValueError(
                    f"Expected `{name}` to be a tensor or nest of tensors; in a functional model, "
                    f"call `{method}` inside a layer or model of your own. Received: {name}={x!r}"
                )


def check_broadcastable(name: str, x: Any, target: str, shape: Any) -> None:
    """Raise a ValueError if `x` cannot be broadcast to `shape`, the shape of `target`.

    Broadcasting must not enlarge the target. Sizes that a graph does not know yet are not checked.

    Args:
        name: Name of the argument `x`, for the error message.
        x: Tensor, array or nested lists.
        target: What `shape` is the shape of, for the error message.
        shape: Its sizes; None is an unknown one.

    Example:
    >>> from keras_attention.tensors import check_broadcastable
    >>> check_broadcastable("mask", np.ones((3, 1), bool), "scores", (2, 3, None))
    """
    actual, shape = _get_shape(x), tuple(shape)
    if len(actual) > len(shape) or not _have_matching_sizes(actual, shape, is_one_way=True):
        raise ValueError(
            f"Expected `{name}` to be broadcastable to the {target} of shape {shape}. "
            f"Received: {name} of shape {actual}"
        )


def check_masks_match(masks: Any) -> None:
    """Raise a ValueError if masks do not broadcast against one another."""
    shapes = [_get_shape(mask) for mask in masks]
    if any(not _have_matching_sizes(a, b) for i, a in enumerate(shapes) for b in shapes[:i]):
        raise ValueError(
            "Expected masks that broadcast against one another. "
            f"Received: masks of shapes {', '.join(map(str, shapes))}"
        )


class MaskReader(keras.layers.Layer):
    """Returns the Keras mask of its input, which Keras itself passes as `mask`."""

    def __init__(self):
        super().__init__(name="mask_reader", autocast=False)
        self.supports_masking = True

    def call(self, inputs, mask=None):
        return mask

    def compute_mask(self, inputs, mask=None):
        return None


_read_mask = functools.cache(MaskReader)


def keras_mask(x):
    """Return the Keras mask that a tensor carries from an earlier layer, or None."""
    mask = getattr(x, "_keras_mask", None)
    is_traced = keras.backend.backend() == "jax" and not isinstance(x, keras.KerasTensor)
    # JAX's tracers have no attributes: Keras stores their masks elsewhere, and passes them on.
    return _read_mask()(x) if mask is None and is_traced else mask


class MaskWriter(keras.layers.Layer):
    """Returns its input, and attaches a mask to it as its Keras mask."""

    def __init__(self):
        super().__init__(name="mask_writer", autocast=False)
        self.supports_masking = True

    def call(self, inputs, mask=None):
        return inputs


_write_mask = functools.cache(MaskWriter)


def list_keras_masks(nest):
    """Return pairs of the tensors of a nest that have a Keras mask, and their masks."""
    pairs = [(x, keras_mask(x)) for x in tree.flatten(nest) if ops.is_tensor(x)]
    return [(x, mask) for x, mask in pairs if mask is not None]


def attach_keras_masks(pairs):
    """Attach Keras masks again that a layer has detached, as Keras's MultiHeadAttention does.

    Args:
        pairs: As `list_keras_masks` returned them before the call of the layer.
    """
    for x, mask in pairs:
        if keras_mask(x) is None:
            _write_mask()(x, mask=mask)


def _is_text(x):
    dtype = getattr(x, "dtype", None)
    return getattr(dtype, "name", dtype) == "string" or getattr(dtype, "kind", None) in ("U", "S")


def _get_shape(x):
    return tuple(x.shape if hasattr(x, "shape") else ops.convert_to_tensor(x).shape)


def _have_matching_sizes(a, b, is_one_way=False):
    """Return True if the sizes of two shapes, aligned at the last axis, are equal or 1."""
    pairs = zip(reversed(a), reversed(b), strict=False)
    return all(None in (m, n) or m in (1, n) or (n == 1 and not is_one_way) for m, n in pairs)


def is_compatible(shape: Any, expected: Any) -> bool:
    """Return whether two shapes have the same rank and agree in each size that both know."""
    pairs = zip(shape, expected, strict=False)
    is_equal = all(None in (size, other) or size == other for size, other in pairs)
    return len(shape) == len(expected) and is_equal
