"""Refuse tensors of a kind that a call does not take: ragged, sparse, text, symbolic in loops."""

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
        is_sparse = getattr(x, "sparse", False) is True or getattr(x, "is_sparse", False) is True
        is_ragged = getattr(x, "ragged", False) is True
        if is_sparse or is_ragged or type(x).__name__ in UNSUPPORTED:
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


def _is_text(x):
    dtype = getattr(x, "dtype", None)
    return getattr(dtype, "name", dtype) == "string" or getattr(dtype, "kind", None) in ("U", "S")
