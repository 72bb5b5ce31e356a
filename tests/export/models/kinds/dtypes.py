"""Inputs and outputs of every dtype."""

import functools

import keras

from keras_attention.export import Spec
from tests.export.models.tries import Case, Tries

tries = Tries("dtypes of inputs and outputs")
DTYPES = (
    *("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool"),
    *("float16", "bfloat16", "float64", "complex64", "string"),
)
QUICK = ("uint8", "bfloat16", "complex64", "string")


def reverse(dtype):
    """The case of a model that reverses its input."""
    x = keras.Input((None, 2), dtype=dtype, name="x")
    return Case(keras.Model(x, keras.ops.flip(x, axis=1)))


for one in DTYPES:
    tries.add(one, functools.partial(reverse, one), one in QUICK)


@tries.refused("input 'x' of signature 'serving_default'", "dtype=qint8", quick=True)
def a_quantized_dtype():
    return Case(None, {"serving_default": (lambda x: x, [Spec("x", (None, 2), "qint8")])})


@tries.refused("output 'output' of signature 'serving_default'", "float8_e4m3fn")
def an_output_of_float8():
    x = keras.Input((2,), name="x")
    return Case(keras.Model(x, keras.ops.cast(x, "float8_e4m3fn")))


@tries.refused("input 'x' of signature 'serving_default'", "float8_e4m3fn")
def an_input_of_float8():
    spec = Spec("x", (None, 2), "float8_e4m3fn")
    function = lambda x: keras.ops.cast(x, "float32")  # noqa: E731
    return Case(None, {"serving_default": (function, [spec])})


@tries.refused("signature 'serving_default'", "dtype='float33'")
def a_dtype_that_does_not_exist():
    return Case(None, {"serving_default": (lambda x: x, [Spec("x", (None, 2), "float33")])})
