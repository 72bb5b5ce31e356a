"""Signatures derived from a model or passed explicitly; outputs without names are refused."""

from collections import namedtuple

import keras
import numpy as np
import pytest

from keras_attention import export
from keras_attention.export.signatures.signature import collect_signatures

X = keras.InputSpec(shape=(None, 2), dtype="float32", name="x")


def make_inputs():
    return keras.Input((2,), name="a"), keras.Input((2,), name="b")


def subtract(structure):
    a, b = keras.tree.flatten(structure)
    return keras.layers.Subtract()([a, b])


def call(signature, **arrays):
    import tensorflow as tf

    tensors = [tf.constant(arrays[spec.name], spec.dtype) for spec in signature.specs]
    return {
        name: tensor.numpy().tolist()
        for name, tensor in signature.compute_outputs(*tensors).items()
    }


@pytest.mark.parametrize(
    "structure", [list, tuple, lambda pair: dict(zip("ab", pair, strict=True))]
)
def test_inputs_in_any_structure_are_served_by_name(structure):
    a, b = make_inputs()
    (signature,) = collect_signatures(keras.Model(structure([a, b]), subtract([a, b])), None)
    assert signature.name == "serving_default"
    assert sorted(spec.name for spec in signature.specs) == ["a", "b"]
    assert call(signature, a=[[5, 3]], b=[[1, 1]]) == {"output": [[4, 2]]}


def test_a_single_output_is_named_output_and_several_are_numbered():
    a, _ = make_inputs()
    twice = keras.layers.Rescaling(2.0)(a)
    (single,) = collect_signatures(keras.Model(a, [twice]), None)
    assert call(single, a=[[1, 2]]) == {"output": [[2, 4]]}
    (several,) = collect_signatures(keras.Model(a, (twice, a)), None)
    assert call(several, a=[[1, 2]]) == {"output_0": [[2, 4]], "output_1": [[1, 2]]}


def test_outputs_by_name_keep_their_names():
    a, _ = make_inputs()
    (signature,) = collect_signatures(
        keras.Model(a, {"twice": keras.layers.Rescaling(2.0)(a), "same": a}), None
    )
    assert call(signature, a=[[1, 2]]) == {"twice": [[2, 4]], "same": [[1, 2]]}


def test_a_sequential_model_is_served_by_the_name_of_its_input():
    model = keras.Sequential([keras.Input((2,), name="x"), keras.layers.Rescaling(2.0)])
    (signature,) = collect_signatures(model, None)
    assert call(signature, x=[[1, 2]]) == {"output": [[2, 4]]}


def test_known_and_unknown_dimensions_are_preserved():
    (signature,) = collect_signatures(
        keras.Sequential([keras.Input(batch_shape=(3, None, 5)), keras.layers.Rescaling(2.0)]), None
    )
    assert signature.specs[0].shape.as_list() == [3, None, 5]


def test_an_explicit_serving_default_replaces_the_derived_one():
    a, _ = make_inputs()
    model = keras.Model(a, a)
    (signature,) = collect_signatures(model, {"serving_default": (lambda x: {"minus": -x}, [X])})
    assert call(signature, x=[[1, 2]]) == {"minus": [[-1, -2]]}


class Subclassed(keras.Model):
    def call(self, x):
        return 2 * x


@pytest.mark.parametrize(
    "model", [Subclassed(), keras.Sequential([keras.layers.Dense(2)])], ids=["subclass", "unbuilt"]
)
def test_a_model_without_known_inputs_is_refused_with_the_alternative(model, tmp_path):
    with pytest.raises(ValueError, match=r"signatures\['serving_default'\] = \(function, "):
        export.saved_model(model, tmp_path / "m")
    assert not (tmp_path / "m").exists()


def test_a_subclassed_model_is_served_with_an_explicit_signature():
    model = Subclassed()
    (signature,) = collect_signatures(model, {"serving_default": (lambda x: model(x), [X])})
    assert call(signature, x=np.ones((1, 2))) == {"output": [[2, 2]]}


Pair = namedtuple("Pair", "first second")


@pytest.mark.parametrize(
    "result",
    [
        lambda x: (x, x),
        lambda x: [x],
        lambda x: Pair(x, x),
        lambda x: {"y": None},
        lambda x: {"y": {"z": x}},
        lambda x: {3: x},
        lambda x: {},
        lambda x: np.ones(2),
    ],
)
def test_outputs_without_names_are_refused(result):
    (signature,) = collect_signatures(None, {"serving_default": (result, [X])})
    with pytest.raises(ValueError, match="Expected signature 'serving_default' to return a tensor"):
        call(signature, x=[[1, 2]])
