"""A served graph computes the saliency that `explain.saliency` computes with Keras."""

import keras
import numpy as np
import pytest
from keras import layers

import keras_attention
from keras_attention import explain, export

if keras.backend.backend() != "tensorflow":
    pytest.skip("only TensorFlow exports", allow_module_level=True)

IDS = np.array([[1, 2, 3, 0], [4, 5, 6, 7]], "int32")


def make_model():
    ids = keras.Input((None,), dtype="int32", name="ids")
    x = layers.Embedding(9, 4, "normal", mask_zero=True, name="words")(ids)
    x = layers.GRU(5, return_sequences=True)(x)
    x = keras_attention.AttentionPooling()(keras_attention.MultiHeadSelfAttention(1)(x))
    return keras.Model(ids, layers.Dense(3, activation="softmax")(x))


def test_c_loader_computes_the_saliency_of_the_predicted_class(tmp_path):
    model = make_model()
    options = {"of": "words", "method": "integrated", "steps": 9, "reduce": "sum"}
    signatures = {"serving_default": export.saliency_of(model, baseline=0.5, **options)}
    path = export.saved_model(None, tmp_path / "model", signatures, {"ids": IDS})
    answer = export.run_in_c_loader(path, "serving_default", {"ids": IDS})
    np.testing.assert_array_equal(answer["class"], np.asarray(model(IDS)).argmax(axis=-1))
    expected = explain.saliency(model, IDS, baseline=0.5, **options)
    np.testing.assert_allclose(answer["saliency"], expected, rtol=1e-4, atol=1e-6)
    assert answer["saliency"][1].all() and not answer["saliency"][0, 3]


def test_final_activation_is_left_out_without_operations_in_the_graph():
    import tensorflow as tf

    image = keras.Input((2, 2, 1), dtype="uint8", name="image")
    x = layers.Flatten()(layers.Rescaling(0.1, name="rescaling")(image))
    model = keras.Model(image, layers.Dense(1, activation="sigmoid")(x))
    function, specs, _ = export.saliency_of(model, "rescaling", "gradient_input", reduce=None)
    graph = tf.function(function).get_concrete_function(image=specs[0].tensor_spec())
    values = np.full((1, 2, 2, 1), 50, "uint8")
    answer = graph(image=tf.constant(values))
    kernel = np.asarray(model.weights[0]).reshape(1, 2, 2, 1)
    np.testing.assert_allclose(answer["saliency"], 5 * kernel, rtol=1e-5)
    assert set(answer) == {"saliency"}
    products = [one.type for one in graph.graph.get_operations() if one.type == "MatMul"]
    assert len(products) == 3  # two of the forward passes, one of the gradient


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "smooth"}, "Expected `method`"),
        ({"reduce": "mean"}, "Expected `reduce`"),
        ({"target": [1]}, "Expected `target`"),
        ({"baseline": None}, "Expected `baseline`"),
        ({"steps": 0}, "Expected `steps`"),
        ({"of": "none"}, "Expected `of`"),
    ],
)
def test_wrong_arguments_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        export.saliency_of(make_model(), **options)


def test_model_of_unknown_inputs_is_refused():
    with pytest.raises(ValueError, match="Functional or a built Sequential"):
        export.saliency_of(keras.Sequential([layers.Dense(2)]))
