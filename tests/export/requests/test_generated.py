"""Generated examples that fit the model, or an error that says that they do not."""

import keras
import numpy as np
import pytest

from keras_attention import export
from keras_attention.export.requests.examples import make_calls
from keras_attention.export.requests.generated import MAX_ELEMENTS, replace_rejected_calls
from keras_attention.export.signatures.signature import collect_signatures
from tests.export.requests.test_examples import make_signature

layers = keras.layers


def embed_positions(ids):
    positions = keras.ops.cumsum(keras.ops.ones_like(ids), axis=1) - 1
    return layers.Embedding(5, 4)(ids) + layers.Embedding(3, 4)(positions)


def shrink_image(x):
    for _ in range(4):
        x = layers.MaxPooling2D()(layers.Conv2D(2, 3)(x))
    return x


MODELS = {  # name: (input's shape, dtype, function, expected shapes of the examples)
    "convolution": ((None, 4), "float32", layers.Conv1D(3, 9), [(1, 16, 4), (3, 24, 4)]),
    "image": ((None, None, 3), "float32", shrink_image, [(1, 64, 64, 3), (3, 96, 96, 3)]),
    "one row": ((None,), "int32", layers.Embedding(1, 4), [(1, 4), (3, 7)]),
    "short": ((None,), "int32", embed_positions, [(1, 2), (3, 3)]),
}


def find_calls(model, example=None):
    return replace_rejected_calls(make_calls(collect_signatures(model, None), example))


@pytest.mark.parametrize("name", MODELS)
def test_examples_that_the_model_rejects_are_replaced(name):
    shape, dtype, function, expected = MODELS[name]
    x = keras.Input(shape, dtype=dtype, name="x")
    calls = find_calls(keras.Model(x, function(x)))
    assert [call.inputs["x"].shape for call in calls] == expected


def test_a_model_that_rejects_all_of_them_is_named_as_the_cause(tmp_path):
    x, y = keras.Input((None, 4), name="x"), keras.Input((2,), name="y")
    model = keras.Model([x, y], layers.Conv1D(3, 999)(x))
    expected = r"`example` with \['x', 'y'\] .*'serving_default'.*\(1, 4, 4\).*would be negative"
    with pytest.raises(ValueError, match=expected):
        export.saved_model(model, tmp_path / "m")
    assert not list(tmp_path.iterdir())


def test_an_example_of_the_user_that_the_model_rejects_is_named_as_the_cause(tmp_path):
    x = keras.Input((None, 4), name="x")
    model, example = keras.Model(x, layers.Conv1D(3, 9)(x)), {"x": np.ones((1, 5, 4))}
    with pytest.raises(ValueError, match=r"Expected `example` to be valid.*\(1, 5, 4\).*negative"):
        export.saved_model(model, tmp_path / "m", example=example)


def test_the_models_state_does_not_change():
    x = keras.Input((2,), name="x")
    model = keras.Model(x, layers.BatchNormalization()(x))
    signature = (lambda x: model(x, training=True), model.inputs)
    before = [variable.numpy() for variable in model.variables]
    replace_rejected_calls(
        make_calls(collect_signatures(None, {"serving_default": signature}), None)
    )
    for variable, value in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)


def test_limits_are_respected():
    words = export.Spec("words", (None, "length"), "int32", below=1, at_most={"length": 2})
    slots = export.Spec("slot", (None,), "int32", below="length", at_most={"batch": 2})
    (signature,) = collect_signatures(
        None, {"serving_default": (lambda words, slot: words, [words, slots])}
    )
    calls = find_calls_of(signature)
    assert [call.inputs["words"].tolist() for call in calls] == [[[0, 0]], [[0, 0], [0, 0]]]
    assert [call.inputs["slot"].tolist() for call in calls] == [[1], [1, 1]]


def find_calls_of(signature):
    return replace_rejected_calls(make_calls([signature], None))


def test_large_arrays_are_not_tried(monkeypatch):
    sizes = []

    def reject(x):
        sizes.append(int(np.prod(x.shape)))
        raise ValueError("no")

    spec = keras.InputSpec(shape=(None, None, None, None), dtype="float32", name="x")
    (signature,) = collect_signatures(None, {"serving_default": (reject, [spec])})
    with pytest.raises(ValueError, match="fails in Python on all 5 generated ones"):
        find_calls_of(signature)
    assert max(sizes) <= MAX_ELEMENTS


def test_signatures_without_an_example_get_generated_ones():
    given, generated = (
        make_signature("given", a=("int32", (None,))),
        make_signature("other", b=("int32", (None,))),
    )
    calls = make_calls([given, generated], {"a": [5]})
    assert [(call.signature.name, call.is_generated) for call in calls] == [
        ("given", False),
        ("other", True),
        ("other", True),
    ]
