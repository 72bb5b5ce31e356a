"""What is derived from a model and what is refused, before anything is written."""

from collections import namedtuple

import keras
import numpy as np
import pytest

from keras_attention import export
from keras_attention.export.signature import collect

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


@pytest.mark.parametrize(
    "spec",
    [
        keras.InputSpec(shape=(None,), dtype="int32"),
        keras.InputSpec(ndim=2, dtype="int32", name="x"),
        keras.InputSpec(shape=(None,), name="x"),
        keras.InputSpec(shape=(None,), dtype="int32", name="a b"),
        "x",
    ],
)
def test_an_input_without_name_shape_or_dtype_is_refused(spec):
    with pytest.raises(ValueError, match="of signature 'serving_default' as keras.InputSpec"):
        collect(None, {"serving_default": (lambda x: x, [spec])})


def test_two_inputs_of_one_name_are_refused():
    with pytest.raises(ValueError, match=r"different input names in signature 'twice'.*'x', 'x'"):
        collect(None, {"twice": (lambda x: x, [X, X])})


@pytest.mark.parametrize("function", [lambda y: y, lambda x, y: x, lambda: 0, Subclassed(), len])
def test_a_function_whose_arguments_are_no_inputs_is_refused(function):
    other = keras.InputSpec(shape=(None, 2), dtype="float32", name="z")
    for specs in ([other], [X, other]):
        with pytest.raises(ValueError, match="function of signature 'odd' to take the inputs .'"):
            collect(None, {"odd": (function, specs)})


@pytest.mark.parametrize("signatures", [["a"], "a", 3])
def test_signatures_are_a_dict(signatures):
    with pytest.raises(ValueError, match="Expected `signatures` to be a dict.*signatures="):
        collect(None, signatures)


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
def test_a_signature_is_a_function_with_specs(parts):
    with pytest.raises(ValueError, match=r"Expected signature 'odd' to be \(function, list"):
        collect(None, {"odd": parts})


@pytest.mark.parametrize("name", ["", "a b", "signatures", 3])
def test_a_name_that_tensorflow_cannot_store_is_refused(name):
    with pytest.raises(ValueError, match="Expected signature names of letters, digits"):
        collect(None, {name: (lambda x: x, [X])})
