"""Example inputs, generated from the specs, or passed by the user and matched to signatures."""

import keras
import numpy as np
import pytest

from keras_attention.export.requests.examples import make_calls
from keras_attention.export.signatures.signature import collect_signatures


def make_signature(name="serving_default", **inputs):
    specs = [
        keras.InputSpec(shape=shape, dtype=dtype, name=key)
        for key, (dtype, shape) in inputs.items()
    ]
    (signature,) = collect_signatures(None, {"serving_default": (lambda **inputs: inputs, specs)})
    return signature._replace(name=name)


def test_generated_examples_have_two_batch_sizes_and_two_lengths():
    signature = make_signature(
        words=("int32", (None, None)),
        image=("float32", (None, None, None, 3)),
        mask=("bool", (None, 5)),
        text=("string", (None,)),
        temperature=("float16", ()),
        wave=("complex64", (None,)),
    )
    first, second = (call.inputs for call in make_calls([signature], None))
    assert {name: array.shape for name, array in first.items()} == {
        "words": (1, 4),
        "image": (1, 4, 4, 3),
        "mask": (1, 5),
        "text": (1,),
        "temperature": (),
        "wave": (1,),
    }
    assert second["words"].shape == (3, 7)
    assert second["image"].shape == (3, 7, 7, 3)
    assert first["words"].dtype == "int32" and (first["words"] == 1).all()
    assert first["mask"].dtype == bool and first["mask"].all()
    assert first["text"].tolist() == [b"a"]
    assert second["text"].tolist() == [b"a", b"a a", b"a a a"]
    assert first["temperature"].dtype == "float16" and first["wave"].dtype == "complex64"
    assert 0.05 < first["image"].std() < 0.2


def test_generated_examples_are_deterministic():
    signature = make_signature(x=("float32", (None, 3)))
    for first, second in zip(
        make_calls([signature], None), make_calls([signature], None), strict=True
    ):
        np.testing.assert_array_equal(first.inputs["x"], second.inputs["x"])


def test_a_signature_is_called_with_every_example_that_has_all_of_its_inputs():
    both = make_signature("both", a=("int32", (None,)), b=("float32", (None,)))
    only = make_signature("only", a=("int32", (None,)))
    calls = make_calls([both, only], [{"a": [1, 2], "b": np.ones(2)}, {"a": np.array([3])}])
    assert [(call.signature.name, sorted(call.inputs)) for call in calls] == [
        ("both", ["a", "b"]),
        ("only", ["a"]),
        ("only", ["a"]),
    ]
    assert calls[0].inputs["a"].dtype == "int32" and calls[0].inputs["b"].dtype == "float32"


def test_missing_inputs_of_an_example_are_named():
    signature = make_signature("decode", a=("int32", (None,)), b=("int32", (None,)))
    with pytest.raises(ValueError, match=r"'decode'.*1 examples, which lack \[\['b'\]\]"):
        make_calls([signature], {"a": [1]})


@pytest.mark.parametrize("example", [{}, []])
def test_an_example_without_arrays_is_refused(example):
    with pytest.raises(
        ValueError, match=r"with the inputs \['x'\] for signature 'serving_default'"
    ):
        make_calls([make_signature(x=("int32", (None,)))], example)


@pytest.mark.parametrize("example", ["x", 3, ["x"], [[1]], np.ones(2)])
def test_an_example_that_is_not_a_dict_is_refused(example):
    with pytest.raises(ValueError, match="Expected `example` to be a dict .*example="):
        make_calls([make_signature(x=("int32", (None,)))], example)


def test_an_array_that_no_signature_takes_is_refused():
    signature = make_signature(a=("int32", (None,)))
    with pytest.raises(ValueError, match=r"arrays that no signature takes.* \[\(1, 'typo'\)\]"):
        make_calls([signature], [{"a": [1]}, {"a": [1], "typo": [2]}])


@pytest.mark.parametrize(
    "dtype, value",
    [
        ("int32", [0.5]),
        ("int32", [2**40]),
        ("bool", [1]),
        ("string", [1]),
        ("float32", ["a"]),
        ("float32", [[1.0]]),
        ("int32", 3),
    ],
)
def test_an_array_that_a_server_would_refuse_is_refused(dtype, value):
    with pytest.raises(ValueError, match="Expected input 'x' of signature 'serving_default'"):
        make_calls([make_signature(x=(dtype, (None,)))], {"x": value})


def test_text_may_be_str_or_bytes():
    signature = make_signature(x=("string", (None,)))
    (call,) = make_calls([signature], {"x": ["ä", b"b\0"]})
    assert call.inputs["x"].tolist() == ["ä".encode(), b"b\0"]
