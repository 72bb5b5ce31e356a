"""Pack arrays, including strings and bfloat16, into an .npz file without pickle."""

from collections.abc import Iterable, Mapping
from typing import Any

import ml_dtypes  # noqa: F401  (registers the dtype name "bfloat16" with numpy)
import numpy as np


def as_array(value: Any) -> np.ndarray:
    """Convert numbers to an array, and str or bytes to an object array of bytes."""
    if isinstance(value, np.ndarray) and value.dtype.kind not in "USO":
        return value
    # numpy's own string dtypes drop trailing zero bytes, so strings become objects.
    array = np.array(value, object)
    is_text = [isinstance(leaf, str | bytes) for leaf in array.flat]
    if not any(is_text):
        array = np.asarray(value)
    if array.dtype == object and not all(is_text):
        raise ValueError(f"Expected numbers, or str and bytes. Received: {value!r}")
    if any(is_text):
        for index, leaf in enumerate(array.flat):
            array.flat[index] = leaf.encode() if isinstance(leaf, str) else leaf
    return array


def pack(rows: Iterable[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Merge a list of {name: array} into one dict of arrays that .npz can hold.

    A key is `row/dtype/name`. Strings (object arrays of bytes) are stored as two arrays: their
    lengths, and the concatenation of all their bytes.
    """
    packed = {}
    for row, arrays in enumerate(rows):
        for name, array in arrays.items():
            if array.dtype == object:
                lengths = np.array([len(text) for text in array.flat], "int64")
                packed[f"{row}/string/{name}"] = lengths.reshape(array.shape)
                packed[f"{row}/bytes/{name}"] = np.frombuffer(b"".join(array.flat), "uint8")
            else:
                packed[f"{row}/{array.dtype.name}/{name}"] = array
    return packed


def unpack(packed: Mapping[str, np.ndarray], count: int) -> list[dict[str, np.ndarray]]:
    """Return the list of {name: array} from which `pack` made the dict; `count` is its length."""
    rows = [{} for _ in range(count)]
    for key in packed:
        row, kind, name = key.split("/", 2)
        if kind == "string":
            rows[int(row)][name] = _split_text(packed[f"{row}/bytes/{name}"].tobytes(), packed[key])
        elif kind != "bytes":
            rows[int(row)][name] = packed[key].view(kind)
    return rows


def _split_text(text: bytes, lengths: np.ndarray) -> np.ndarray:
    """Split the text into strings of the given lengths; the result has the lengths' shape."""
    strings, start = np.empty(lengths.shape, object), 0
    for index, length in enumerate(lengths.flat):
        strings.flat[index] = text[start : start + length]
        start += length
    return strings
