"""What is derived from a model and what is refused, before anything is written."""

from collections import namedtuple

import keras
import numpy as np
import pytest

from keras_attention import export
from keras_attention.export.signatures.signature import collect

X = keras.InputSpec(shape=(None, 2), dtype="float32", name="x")


def inputs():
    return keras.Input((2,), name="a"), keras.Input((2,), name="b")


def difference(structure):
    a, b = keras.tree.flatten(structure)
    return keras.layers.Subtract()([a, b])


def ask(signature, **arrays):
    import tensorflow as tf

    tensors = [tf.constant(arrays[spec.name], spec.dtype) for spec in signature.specs]
    return {name: tensor.numpy().tolist() for name, tensor in signature.outputs(*tensors).items()}


@pytest.mark.parametrize(
    "structure", [list, tuple, lambda pair: dict(zip("ab", pair, strict=True))]
)
def test_any_structure_of_inputs_is_served_by_the_names_of_its_inputs(structure):
    a, b = inputs()
    (signature,) = collect(keras.Model(structure([a, b]), difference([a, b])), None)
    assert signature.name == "serving_default"
    assert sorted(spec.name for spec in signature.specs) == ["a", "b"]
    assert ask(signature, a=[[5, 3]], b=[[1, 1]]) == {"output": [[4, 2]]}


def test_one_output_in_a_list_is_called_output_and_several_are_numbered():
    a, _ = inputs()
    twice = keras.layers.Rescaling(2.0)(a)
    (one,) = collect(keras.Model(a, [twice]), None)
    assert ask(one, a=[[1, 2]]) == {"output": [[2, 4]]}
    (two,) = collect(keras.Model(a, (twice, a)), None)
    assert ask(two, a=[[1, 2]]) == {"output_0": [[2, 4]], "output_1": [[1, 2]]}


def test_outputs_by_name_keep_their_names():
    a, _ = inputs()
    (signature,) = collect(
        keras.Model(a, {"twice": keras.layers.Rescaling(2.0)(a), "same": a}), None
    )
    assert ask(signature, a=[[1, 2]]) == {"twice": [[2, 4]], "same": [[1, 2]]}


def test_a_sequential_model_is_served_by_its_inputs_name():
    model = keras.Sequential([keras.Input((2,), name="x"), keras.layers.Rescaling(2.0)])
    (signature,) = collect(model, None)
    assert ask(signature, x=[[1, 2]]) == {"output": [[2, 4]]}


def test_unknown_dimensions_stay_unknown_and_known_ones_known():
    (signature,) = collect(
        keras.Sequential([keras.Input(batch_shape=(3, None, 5)), keras.layers.Rescaling(2.0)]), None
    )
    assert signature.specs[0].shape.as_list() == [3, None, 5]


def test_a_given_serving_default_replaces_the_models():
    a, _ = inputs()
    model = keras.Model(a, a)
    (signature,) = collect(model, {"serving_default": (lambda x: {"minus": -x}, [X])})
    assert ask(signature, x=[[1, 2]]) == {"minus": [[-1, -2]]}


class Subclassed(keras.Model):
    def call(self, x):
        return 2 * x


@pytest.mark.parametrize(
    "model", [Subclassed(), keras.Sequential([keras.layers.Dense(2)])], ids=["subclass", "unbuilt"]
)
def test_a_model_without_known_inputs_is_told_what_to_give(model, tmp_path):
    with pytest.raises(ValueError, match=r"signatures\['serving_default'\] = \(function, "):
        export.saved_model(model, tmp_path / "m")
    assert not (tmp_path / "m").exists()


def test_a_subclassed_model_is_served_by_a_given_signature():
    model = Subclassed()
    (signature,) = collect(model, {"serving_default": (lambda x: model(x), [X])})
    assert ask(signature, x=np.ones((1, 2))) == {"output": [[2, 2]]}


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
def test_outputs_without_names_are_refused_by_the_signatures_name(result):
    (signature,) = collect(None, {"serving_default": (result, [X])})
    with pytest.raises(ValueError, match="Expected signature 'serving_default' to return a tensor"):
        ask(signature, x=[[1, 2]])
