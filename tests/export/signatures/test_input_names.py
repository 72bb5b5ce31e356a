"""Names of inputs: the same from a file, refused if a SavedModel cannot hold them; dense inputs."""

import keras
import numpy as np
import pytest

from keras_attention import export
from keras_attention.export.signatures.model_inputs import list_input_names
from keras_attention.export.signatures.signature import collect_signatures


def make_functional():
    first, second = keras.Input((2,)), keras.Input((2,), name="b")
    return keras.Model([first, second], keras.layers.Subtract()([first, second]))


def make_sequential():
    return keras.Sequential([keras.Input((2,)), keras.layers.Rescaling(2.0)])


def make_built_sequential():
    model = keras.Sequential([keras.layers.Dense(2)])
    model.build((None, 2))
    return model


@pytest.mark.parametrize("make", [make_functional, make_sequential, make_built_sequential])
def test_a_reloaded_model_has_the_same_input_names(make, tmp_path):
    model = make()
    model.save(tmp_path / "m.keras")
    reloaded = keras.saving.load_model(tmp_path / "m.keras")
    (signature,), (other,) = (collect_signatures(m, None) for m in (model, reloaded))
    assert signature.inputs == other.inputs
    arrays = [np.float32([[5, 3 - index]]) for index, _ in enumerate(signature.inputs)]
    outputs = [s.compute_outputs(*arrays)["output"] for s in (signature, other)]
    np.testing.assert_array_equal(*outputs)


def test_unnamed_inputs_are_exported_with_a_warning(tmp_path):
    model = make_functional()
    name = list_input_names(model)[0]
    with pytest.warns(UserWarning, match=f"pass keras.Input.*generated names .'{name}'.") as record:
        path = export.saved_model(model, tmp_path / "m")
    assert record[0].filename == __file__
    inputs = {name: np.float32([[5, 3]]), "b": np.float32([[1, 1]])}
    answer = export.run_in_c_loader(path, "serving_default", inputs)
    assert answer["output"].tolist() == [[4, 2]]


@pytest.mark.parametrize(
    ("name", "advice"),
    [("a b", "a_b"), ("ü", "words"), ("x:0", "x_0"), ("_x", "x"), ("self", "words")],
)
def test_a_name_that_a_signature_cannot_hold_is_refused_with_another(name, advice):
    x = keras.Input((2,), name="x")
    spec = export.Spec(name, (None, 2), "float32")
    with pytest.raises(ValueError, match=rf"input '{name}' of .*name='{advice}'.*Spec\('{advice}'"):
        collect_signatures(None, {"serving_default": (keras.Model(x, x), [spec])})


class Mean(keras.layers.Layer):
    """The mean over time of a ragged or dense tensor."""

    def call(self, x):
        import tensorflow as tf

        return tf.reduce_mean(x, axis=1)

    def compute_output_spec(self, x):
        return keras.KerasTensor((None, 2), "float32")


def test_a_ragged_input_is_refused_and_the_advice_gives_the_models_outputs(tmp_path):
    import tensorflow as tf

    x = keras.Input((None, 2), ragged=True, name="x")
    model = keras.Model(x, Mean()(x))
    for signatures in (None, {"serving_default": (lambda x: model(x), model.inputs)}):
        with pytest.raises(ValueError, match="dense inputs.*ragged input 'x'.*from_tensor"):
            export.saved_model(model, tmp_path / "m", signatures)

    def serve(x, lengths):
        return model(tf.RaggedTensor.from_tensor(x, lengths))

    specs = [export.Spec("x", (None, "length", 2), "float32")]
    specs += [export.Spec("lengths", (None,), "int32")]
    path = export.saved_model(model, tmp_path / "m", {"serving_default": (serve, specs)})
    x = np.float32([[[1, 1], [0, 0], [0, 0]], [[1, 1], [3, 3], [5, 5]]])
    inputs = {"x": x, "lengths": np.int32([1, 3])}
    answer = export.run_in_c_loader(path, "serving_default", inputs)
    assert answer["output"].tolist() == [[1, 1], [3, 3]]


def test_sparse_inputs_and_tensorflows_composite_specs_are_refused():
    import tensorflow as tf

    sparse = keras.Input((3,), sparse=True, name="x")
    composite = [tf.SparseTensorSpec((None, 3)), tf.RaggedTensorSpec((None, None))]
    for spec, kind in zip([sparse, *composite], ["sparse", "sparse", "ragged"], strict=True):
        with pytest.raises(ValueError, match=f"dense inputs.*the {kind} input.*'decode'"):
            collect_signatures(None, {"decode": (lambda x: x, [spec])})


def test_outputs_that_are_none_are_left_out_and_an_empty_name_is_refused():
    x = keras.InputSpec(shape=(None, 2), dtype="float32", name="x")
    (signature,) = collect_signatures(
        None, {"serving_default": (lambda x: {"y": x, "state": None}, [x])}
    )
    assert list(signature.compute_outputs(np.ones((1, 2), "float32"))) == ["y"]
    (signature,) = collect_signatures(None, {"serving_default": (lambda x: {"": x}, [x])})
    with pytest.raises(ValueError, match="Expected signature 'serving_default' to return a tensor"):
        signature.compute_outputs(np.ones((1, 2), "float32"))
