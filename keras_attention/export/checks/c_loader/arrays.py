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
    are_text = [isinstance(leaf, str | bytes) for leaf in array.flat]
    if not any(are_text):
        array = np.asarray(value)
    if array.dtype == object and not all(are_text):
        raise ValueError(f"Expected only numbers, or only str and bytes. Received: {value!r}")
    if any(are_text):
        for index, leaf in enumerate(array.flat):
            array.flat[index] = leaf.encode() if isinstance(leaf, str) else leaf
    return array


def pack(rows: Iterable[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Merge a list of {name: array} into one dict of arrays that .npz can hold.

    Keys are `row/dtype/name`. An array of strings, which are `bytes` objects, takes two keys:
    `row/string/name` holds the strings' lengths, `row/bytes/name` all their bytes, concatenated.
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
    """Undo `pack`.

    Args:
        packed: The result of `pack`.
        count: Number of rows. It is not in `packed`, because a row without arrays has no keys.
    """
    rows = [{} for _ in range(count)]
    for key in packed:
        row, kind, name = key.split("/", 2)
        if kind == "string":
            rows[int(row)][name] = _split_bytes(
                packed[f"{row}/bytes/{name}"].tobytes(), packed[key]
            )
        elif kind != "bytes":
            # numpy loads bfloat16 as two raw bytes per number, so its dtype is set again.
            rows[int(row)][name] = packed[key].view(kind)
    return rows


def _split_bytes(data: bytes, lengths: np.ndarray) -> np.ndarray:
    """Split bytes into strings of the given lengths, as an object array of the lengths' shape."""
    strings, start = np.empty(lengths.shape, object), 0
    for index, length in enumerate(lengths.flat):
        strings.flat[index] = data[start : start + length]
        start += length
    return strings
