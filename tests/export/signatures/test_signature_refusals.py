"""Errors for invalid signatures, raised before any file is written."""

import keras
import pytest

from keras_attention import export
from keras_attention.export.signatures.signature import collect_signatures

X = keras.InputSpec(shape=(None, 2), dtype="float32", name="x")


def cast_to(dtype):
    import tensorflow as tf

    return lambda x: {"y": tf.cast(x, dtype)}


class Subclassed(keras.Model):
    def call(self, x):
        return 2 * x


@pytest.mark.parametrize(
    "spec",
    [
        keras.InputSpec(shape=(None,), dtype="int32"),
        keras.InputSpec(ndim=2, dtype="int32", name="x"),
        keras.InputSpec(shape=(None,), name="x"),
        "x",
    ],
)
def test_an_input_without_name_shape_or_dtype_is_refused(spec):
    with pytest.raises(ValueError, match="of signature 'serving_default' as keras_att"):
        collect_signatures(None, {"serving_default": (lambda x: x, [spec])})


@pytest.mark.parametrize("dtype", ["qint8", "float8_e4m3fn"])
def test_a_dtype_that_clients_cannot_send_or_receive_is_refused(dtype):
    spec = export.Spec("x", (None,), dtype)
    with pytest.raises(ValueError, match=f"input 'x' of signature 'odd'.*dtype={dtype}. Cast"):
        collect_signatures(None, {"odd": (lambda x: x, [spec])})
    (signature,) = collect_signatures(None, {"serving_default": (cast_to(dtype), [X])})
    with pytest.raises(ValueError, match=f"output 'y' of signature 'serving_def.*dtype={dtype}"):
        signature.compute_outputs(keras.ops.ones((1, 2)))


def test_two_inputs_with_the_same_name_are_refused():
    with pytest.raises(ValueError, match=r"different input names in signature 'twice'.*'x', 'x'"):
        collect_signatures(None, {"twice": (lambda x: x, [X, X])})


@pytest.mark.parametrize("function", [lambda y: y, lambda x, y: x, lambda: 0, Subclassed(), len])
def test_a_function_with_other_arguments_than_the_inputs_is_refused(function):
    other = keras.InputSpec(shape=(None, 2), dtype="float32", name="z")
    for specs in ([other], [X, other]):
        with pytest.raises(ValueError, match="function of signature 'odd' to take the inputs .'"):
            collect_signatures(None, {"odd": (function, specs)})


@pytest.mark.parametrize("signatures", [["a"], "a", 3])
def test_signatures_that_are_not_a_dict_are_refused(signatures):
    with pytest.raises(ValueError, match="Expected `signatures` to be a dict.*signatures="):
        collect_signatures(None, signatures)


@pytest.mark.parametrize(
    "parts",
    [
        lambda x: x,
        (lambda x: x,),
        ([X], lambda x: x),
        (lambda x: x, None),
        (lambda x: x, X),
        (lambda x: x, [X], None),
    ],
)
def test_a_signature_without_function_and_specs_is_refused(parts):
    with pytest.raises(ValueError, match=r"Expected signature 'odd' to be \(function, list"):
        collect_signatures(None, {"odd": parts})


@pytest.mark.parametrize("name", ["", "a b", "signatures", 3])
def test_a_name_that_tensorflow_cannot_store_is_refused(name):
    with pytest.raises(ValueError, match="Expected signature names of letters, digits"):
        collect_signatures(None, {name: (lambda x: x, [X])})
