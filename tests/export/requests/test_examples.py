import keras
import numpy as np
import pytest

from keras_attention.export.requests.examples import calls
from keras_attention.export.signatures.signature import collect


def signature(name="serving_default", **inputs):
    specs = [
        keras.InputSpec(shape=shape, dtype=dtype, name=key)
        for key, (dtype, shape) in inputs.items()
    ]
    (made,) = collect(None, {"serving_default": (lambda **inputs: inputs, specs)})
    return made._replace(name=name)


def test_examples_are_made_of_two_batches_and_two_lengths():
    asked = signature(
        words=("int32", (None, None)),
        image=("float32", (None, None, None, 3)),
        mask=("bool", (None, 5)),
        text=("string", (None,)),
        temperature=("float16", ()),
    )
    first, second = (call.inputs for call in calls([asked], None))
    assert {name: array.shape for name, array in first.items()} == {
        "words": (1, 4),
        "image": (1, 4, 4, 3),
        "mask": (1, 5),
        "text": (1,),
        "temperature": (),
    }
    assert second["words"].shape == (3, 7)
    assert second["image"].shape == (3, 7, 7, 3)
    assert first["words"].dtype == "int32" and (first["words"] == 1).all()
    assert first["mask"].dtype == bool and first["mask"].all()
    assert first["text"].tolist() == [b"a"]
    assert first["temperature"].dtype == "float16"
    assert 0.05 < first["image"].std() < 0.2


def test_made_examples_are_the_same_every_time():
    asked = signature(x=("float32", (None, 3)))
    for one, other in zip(calls([asked], None), calls([asked], None), strict=True):
        np.testing.assert_array_equal(one.inputs["x"], other.inputs["x"])


def test_a_dtype_for_which_none_can_be_made_asks_for_one():
    with pytest.raises(ValueError, match="Expected `example` with 'x' for signature 'serving_def"):
        calls([signature(x=("complex64", (None,)))], None)


def test_each_signature_takes_its_own_inputs_of_each_example_that_has_them_all():
    both = signature("both", a=("int32", (None,)), b=("float32", (None,)))
    only = signature("only", a=("int32", (None,)))
    found = calls([both, only], [{"a": [1, 2], "b": np.ones(2)}, {"a": np.array([3])}])
    assert [(call.signature.name, sorted(call.inputs)) for call in found] == [
        ("both", ["a", "b"]),
        ("only", ["a"]),
        ("only", ["a"]),
    ]
    assert found[0].inputs["a"].dtype == "int32" and found[0].inputs["b"].dtype == "float32"


def test_a_signature_without_example_says_what_is_missing():
    asked = signature("decode", a=("int32", (None,)), b=("int32", (None,)))
    with pytest.raises(ValueError, match=r"'decode'.*1 examples, in which are missing \[\['b'\]\]"):
        calls([asked], {"a": [1]})


@pytest.mark.parametrize("example", ["x", 3, ["x"], [[1]], np.ones(2)])
def test_an_example_is_a_dict_or_a_list_of_them(example):
    with pytest.raises(ValueError, match="Expected `example` to be a dict .*example="):
        calls([signature(x=("int32", (None,)))], example)


def test_an_array_that_no_signature_takes_is_refused():
    asked = signature(a=("int32", (None,)))
    with pytest.raises(ValueError, match=r"of no use are .* \[\(1, 'typo'\)\]"):
        calls([asked], [{"a": [1]}, {"a": [1], "typo": [2]}])


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
        calls([signature(x=(dtype, (None,)))], {"x": value})


def test_text_may_be_str_or_bytes():
    asked = signature(x=("string", (None,)))
    (call,) = calls([asked], {"x": ["ä", b"b\0"]})
    assert call.inputs["x"].tolist() == ["ä".encode(), b"b\0"]
