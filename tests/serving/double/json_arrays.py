"""Convert JSON, by rows or by columns, to a signature's inputs, and outputs to JSON."""

import base64
import binascii

import numpy as np

from double.refusal import INVALID, Refusal
from keras_attention.export.checks.c_loader.tensors import DTYPES, STRING


def parse_inputs(body, signature):
    """Return the arrays by name from `{"instances": rows}` or `{"inputs": columns}`."""
    names = list(signature.inputs)
    if "inputs" in body:
        columns = body["inputs"]
        if not isinstance(columns, dict) or _is_text(columns):
            if len(names) != 1:
                raise Refusal(INVALID, f"Expected inputs by name: {sorted(names)}")
            columns = {names[0]: columns}
    else:
        rows = body["instances"]
        if not isinstance(rows, list) or not rows:
            raise Refusal(INVALID, "Expected a list of instances that is not empty")
        if len(names) == 1 and not (isinstance(rows[0], dict) and names[0] in rows[0]):
            columns = {names[0]: rows}
        else:
            if not all(isinstance(row, dict) and row.keys() == rows[0].keys() for row in rows):
                raise Refusal(INVALID, "Expected objects with the same names as instances")
            columns = {name: [row[name] for row in rows] for name in rows[0]}
    if columns.keys() != signature.inputs.keys():
        raise Refusal(INVALID, f"Expected inputs {sorted(names)}. Received: {sorted(columns)}")
    return {name: _to_array(name, columns[name], signature.inputs[name].dtype) for name in names}


def to_json(outputs, by_rows):
    """Return the server's answer: `{"predictions": rows}` or `{"outputs": columns}`."""
    columns = {name: _to_lists(name, array) for name, array in outputs.items()}
    if not by_rows:
        return {"outputs": next(iter(columns.values())) if len(columns) == 1 else columns}
    if not all(array.ndim for array in outputs.values()):
        raise Refusal(INVALID, "Expected outputs with a batch dimension for `instances`")
    if len({len(array) for array in outputs.values()}) > 1:
        raise Refusal(INVALID, "Expected outputs of one batch size for `instances`")
    if len(columns) == 1:
        return {"predictions": next(iter(columns.values()))}
    rows = zip(*columns.values(), strict=True)
    return {"predictions": [dict(zip(columns, row, strict=True)) for row in rows]}


def _to_array(name, value, number):
    try:
        if number == STRING:
            return _to_strings(value)
        dtype, array = np.dtype(DTYPES[number]), np.array(value)
        fits = array.dtype.kind == dtype.kind or (dtype.kind in "fu" and array.dtype.kind == "i")
        if array.size and not fits:
            raise ValueError(f"{array.dtype} instead of {dtype}")
        if array.size and dtype.kind in "iu":
            if not np.iinfo(dtype).min <= array.min() <= array.max() <= np.iinfo(dtype).max:
                raise ValueError(f"a number beyond {dtype}")
        return array.astype(dtype)
    except (ValueError, TypeError, OverflowError, binascii.Error) as error:
        raise Refusal(INVALID, f"JSON of input {name!r}: {error}") from error


def _to_strings(value):
    def encode(value):
        if isinstance(value, list):
            return [encode(item) for item in value]
        if isinstance(value, str):
            return value.encode()
        if _is_text(value):
            return base64.b64decode(value["b64"], validate=True)
        raise ValueError(f"{value!r} is not a string")

    array = np.array(encode(value), object)
    if not all(isinstance(text, bytes) for text in array.flat):
        raise ValueError("lists of different lengths")
    return array


def _is_text(value):
    return isinstance(value, dict) and value.keys() == {"b64"} and isinstance(value["b64"], str)


def _to_lists(name, array):
    """Convert an array to lists; strings become text, or `b64` if the name ends in `_bytes`."""
    if array.dtype.name in ("float16", "bfloat16"):
        raise Refusal(12, f"JSON has no {array.dtype}: output {name!r}")
    if array.dtype != object:
        return array.tolist()
    if name.endswith("_bytes"):
        texts = [{"b64": base64.b64encode(text).decode()} for text in array.flat]
    else:
        texts = [text.decode(errors="replace") for text in array.flat]
    return np.array([*texts, None], object)[:-1].reshape(array.shape).tolist()
