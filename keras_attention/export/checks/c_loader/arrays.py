"""Arrays from one process to another in an .npz file, strings and bfloat16 too, without pickle."""

import ml_dtypes  # noqa: F401  (lets numpy know the name "bfloat16")
import numpy as np


def as_array(value):
    """Returns numbers as an array, and str or bytes as an object array of bytes."""
    if isinstance(value, np.ndarray) and value.dtype.kind not in "USO":
        return value
    # As objects, because numpy's own strings drop trailing zero bytes.
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


def pack(rows):
    """Turns a list of {name: array} into one dict of arrays that .npz can hold.

    A key is `row/dtype/name`. Strings (object arrays of bytes) are kept as their lengths and all
    their bytes in a row.
    """
    flat = {}
    for row, arrays in enumerate(rows):
        for name, array in arrays.items():
            if array.dtype == object:
                lengths = np.array([len(text) for text in array.flat], "int64")
                flat[f"{row}/string/{name}"] = lengths.reshape(array.shape)
                flat[f"{row}/bytes/{name}"] = np.frombuffer(b"".join(array.flat), "uint8")
            else:
                flat[f"{row}/{array.dtype.name}/{name}"] = array
    return flat


def unpack(flat, count):
    """Returns the list of {name: array} that `pack` was given; `count` is its length."""
    rows = [{} for _ in range(count)]
    for key in flat:
        row, kind, name = key.split("/", 2)
        if kind == "string":
            rows[int(row)][name] = _cut(flat[f"{row}/bytes/{name}"].tobytes(), flat[key])
        elif kind != "bytes":
            rows[int(row)][name] = flat[key].view(kind)
    return rows


def _cut(text, lengths):
    """Cuts the text into pieces of the given lengths, as an array of the lengths' shape."""
    pieces, start = np.empty(lengths.shape, object), 0
    for index, length in enumerate(lengths.flat):
        pieces.flat[index] = text[start : start + length]
        start += length
    return pieces
