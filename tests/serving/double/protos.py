"""Convert TensorProto to array and back, without TensorFlow's Python; strings are bytes objects."""

import math

import ml_dtypes  # noqa: F401  (registers the dtype name "bfloat16" with numpy)
import numpy as np
from tensorflow.core.framework.tensor_pb2 import TensorProto

from double.refusal import INVALID, Refusal
from keras_attention.export.checks.c_loader.tensors import DTYPES, NUMBERS, STRING

MAX_ELEMENTS = 2**28
FIELDS = {
    "float32": "float_val",
    "float64": "double_val",
    "int64": "int64_val",
    "uint32": "uint32_val",
    "uint64": "uint64_val",
    "bool": "bool_val",
    "complex64": "scomplex_val",
    "complex128": "dcomplex_val",
    **dict.fromkeys(["int32", "uint8", "int16", "int8", "uint16"], "int_val"),
    **dict.fromkeys(["float16", "bfloat16"], "half_val"),
}


def to_array(proto):
    """Convert a TensorProto to an array, from its bytes or from its values.

    If there are fewer values than elements, the last value is repeated.
    """
    shape = tuple(dim.size for dim in proto.tensor_shape.dim)
    size = math.prod(shape)
    is_text = proto.dtype == STRING
    if proto.tensor_shape.unknown_rank or min(shape, default=0) < 0 or size > MAX_ELEMENTS:
        raise Refusal(
            INVALID, f"Expected a shape of {MAX_ELEMENTS} elements at most. Received: {shape}"
        )
    if proto.dtype not in DTYPES and not is_text:
        raise Refusal(INVALID, f"Expected numbers, bools or strings. Received: {proto.dtype}")
    dtype = object if is_text else np.dtype(DTYPES[proto.dtype])
    if proto.tensor_content:
        if is_text or len(proto.tensor_content) != size * dtype.itemsize:
            raise Refusal(INVALID, f"Expected the bytes of {shape}, {dtype}")
        return np.frombuffer(proto.tensor_content, dtype).reshape(shape)
    values = list(proto.string_val if is_text else getattr(proto, FIELDS[dtype.name]))
    if is_text:
        values = np.array([*values, None], object)[:-1]
    elif dtype.name in ("float16", "bfloat16"):
        values = np.array(values, "uint16").view(dtype)
    elif dtype.kind == "c":
        values = np.array(values, f"float{dtype.itemsize * 4}").view(dtype)
    else:
        values = np.array(values, dtype)
    if len(values) > size or size and not len(values):
        raise Refusal(INVALID, f"Expected {size} values. Received: {len(values)}")
    array = np.empty(size, dtype)
    array[: len(values)] = values
    array[len(values) :] = values[-1] if size else 0
    return array.reshape(shape)


def to_proto(array):
    """Convert an array to a TensorProto."""
    is_text = array.dtype == object
    proto = TensorProto(dtype=STRING if is_text else NUMBERS[array.dtype.name])
    for size in array.shape:
        proto.tensor_shape.dim.add(size=size)
    if is_text:
        proto.string_val.extend(array.flat)
    else:
        proto.tensor_content = array.tobytes()
    return proto
