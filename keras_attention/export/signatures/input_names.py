"""Refuse inputs that a signature cannot hold: by their name, or because they are not dense."""

import re
import warnings
from collections.abc import Iterable
from typing import Any

from keras_attention.export.signatures.spec import Spec

NAME_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
DEFAULT_NAME_PATTERN = re.compile(r"(input_layer|keras_tensor)(_[0-9]+)?")


def warn_about_default_names(inputs: Iterable[Spec], stacklevel: int) -> None:
    """Warn about inputs with names that Keras generated.

    Args:
        inputs: The inputs of all signatures.
        stacklevel: 2 for the line that calls this function, as in `warnings.warn`.
    """
    default = sorted({spec.name for spec in inputs if DEFAULT_NAME_PATTERN.fullmatch(spec.name)})
    if default:
        warnings.warn(
            "Expected a name for every input, because clients send arrays by name: pass "
            "keras.Input(..., name='words'). Keras numbers unnamed inputs in the order in which a "
            "process creates them, so the next export of the same model may have other names. "
            f"Received: the generated names {default}",
            stacklevel=stacklevel,
        )


def check_input_name(signature: str, name: str) -> None:
    """Raise a ValueError if a SavedModel cannot hold an input of this name."""
    if NAME_PATTERN.fullmatch(name) and name != "self":  # TensorFlow passes `self` as well.
        return
    valid = re.sub("[^A-Za-z0-9]+", "_", name).strip("_")
    valid = "words" if valid in ("", "self") else valid
    raise ValueError(
        "Expected names of inputs that begin with a letter or a digit and consist of letters, "
        f"digits, `_`, `.` and `-`, other than `self`. Received: input {name!r} of "
        f"signature {signature!r}. Rename the input, as in keras.Input(..., name={valid!r}), or "
        "pass a signature with another "
        f"name: signatures={{{signature!r}: (function, [keras_attention.export.Spec({valid!r}, "
        f"shape, dtype)])}} with a function of `{valid}` that calls the model"
    )


def check_dense(signature: str, description: Any) -> None:
    """Raise a ValueError if an input is ragged or sparse.

    TensorFlow Serving's requests hold dense tensors. A model that receives a dense tensor instead
    of a ragged one treats its padding as data.
    """
    import tensorflow as tf

    is_ragged = getattr(description, "ragged", False) is True
    is_sparse = getattr(description, "sparse", False) is True
    if is_ragged or isinstance(description, tf.RaggedTensorSpec):
        kind = "ragged"
        advice = (
            "that takes the padded tensor and the lengths of its rows: [keras_attention.export."
            "Spec('x', (None, 'length', 2), 'float32'), Spec('lengths', (None,), 'int32')]; its "
            "function calls the model with tf.RaggedTensor.from_tensor(x, lengths)"
        )
    elif is_sparse or isinstance(description, tf.SparseTensorSpec):
        kind = "sparse"
        advice = (
            "that takes a dense tensor: [keras_attention.export.Spec('x', (None, 100), "
            "'float32')]; its function calls the model with tf.sparse.from_dense(x)"
        )
    else:
        return
    raise ValueError(
        "Expected dense inputs, because the tensors of a request are dense. Received: the "
        f"{kind} input {getattr(description, 'name', None)!r} of signature {signature!r}. Pass a "
        f"signature {advice}"
    )
