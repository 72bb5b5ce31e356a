"""Convert numpy arrays to TF_Tensor and back; strings are object arrays of bytes."""

import ctypes

import ml_dtypes  # noqa: F401  (registers the dtype name "bfloat16" with numpy)
import numpy as np

from keras_attention.export.checks.c_loader.library import String

STRING = 7  # TF_STRING; the numbers are those of C's enum TF_DataType
DTYPES = {
    1: "float32",
    2: "float64",
    3: "int32",
    4: "uint8",
    5: "int16",
    6: "int8",
    8: "complex64",
    9: "int64",
    10: "bool",
    14: "bfloat16",
    17: "uint16",
    18: "complex128",
    19: "float16",
    22: "uint32",
    23: "uint64",
}
NUMBERS = {name: number for number, name in DTYPES.items()}


def to_tensor(library: ctypes.CDLL, array: np.ndarray) -> int:
    """Return a TF_Tensor with a copy of the array, to be freed with `delete_tensor`."""
    is_text = array.dtype == object
    if not is_text and array.dtype.name not in NUMBERS:
        raise ValueError(f"Expected a dtype of {sorted(NUMBERS)}. Received: dtype={array.dtype}")
    # Check before allocating, or the buffer would leak.
    if is_text and not all(isinstance(text, bytes) for text in array.flat):
        raise ValueError(f"Expected bytes in an array of objects. Received: {array!r}")
    number = STRING if is_text else NUMBERS[array.dtype.name]
    length = array.size * ctypes.sizeof(String) if is_text else array.nbytes
    shape = (ctypes.c_int64 * array.ndim)(*array.shape)
    tensor = library.TF_AllocateTensor(number, shape, array.ndim, length)
    if is_text:
        strings = _view_strings(library, tensor, array.size)
        for string, text in zip(strings, array.flat, strict=True):
            library.TF_StringInit(string)
            library.TF_StringCopy(string, text, len(text))
    elif length:
        contiguous = np.asarray(array, order="C")
        ctypes.memmove(library.TF_TensorData(tensor), contiguous.ctypes.data, length)
    return tensor


def to_array(library: ctypes.CDLL, tensor: int) -> np.ndarray:
    """Return an array with a copy of a TF_Tensor that TensorFlow returned."""
    shape = [library.TF_Dim(tensor, axis) for axis in range(library.TF_NumDims(tensor))]
    number = library.TF_TensorType(tensor)
    if number == STRING:
        array = np.empty(shape, object)
        for index, string in enumerate(_view_strings(library, tensor, array.size)):
            start = library.TF_StringGetDataPointer(string)
            length = library.TF_StringGetSize(string)
            array.flat[index] = ctypes.string_at(start, length)
        return array
    if number not in DTYPES:
        raise RuntimeError(f"Expected an output of numbers or strings. Received: type={number}")
    array = np.empty(shape, DTYPES[number])
    if array.nbytes:
        ctypes.memmove(array.ctypes.data, library.TF_TensorData(tensor), array.nbytes)
    return array


def delete_tensor(library: ctypes.CDLL, tensor: int, array: np.ndarray) -> None:
    """Free what `to_tensor` allocated for the array: its strings, then the tensor."""
    if array.dtype == object:
        for string in _view_strings(library, tensor, array.size):
            library.TF_StringDealloc(string)
    library.TF_DeleteTensor(tensor)


def _view_strings(library: ctypes.CDLL, tensor: int, count: int):
    """Return the tensor's buffer as an array of `count` TF_TString."""
    return (String * count).from_address(library.TF_TensorData(tensor)) if count else []
