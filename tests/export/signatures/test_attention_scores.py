"""`attention_of`: the weights of every attention layer of a model that does not return them."""

import keras
import numpy as np
import pytest

import keras_attention
from keras_attention import export
from keras_attention.export.signatures.signature import collect_signatures

WORDS, WIDTH = 11, 6
SOURCE = np.array([[3, 1, 4, 1, 5], [9, 2, 0, 0, 0]], "int32")
TARGET = np.array([[2, 7, 1], [8, 0, 0]], "int32")


def make_translator(**options):
    """A model of self-attention, a decoder that returns its state, and additive attention."""
    keras.utils.set_random_seed(0)
    source = keras.Input((None,), dtype="int32", name="source")
    target = keras.Input((None,), dtype="int32", name="target")
    words = keras.layers.Embedding(WORDS, WIDTH, mask_zero=True, name="words")
    heads = keras_attention.MultiHeadSelfAttention(2, key_dim=3, dropout=0.5, name="heads")
    memory = heads(words(source))
    decoder = keras_attention.AttentionDecoder(
        keras.layers.GRUCell(WIDTH), keras_attention.AdditiveAttention(units=5), name="decoder"
    )
    returned = decoder(words(target), memory, return_state=True, **options)
    additive = keras_attention.AdditiveAttention(units=4, name="additive")
    context = additive([returned[0], memory])
    return keras.Model([source, target], {"last": context, "decoded": returned[0]})


def compute_scores(model, *arrays):
    """Run the signature in this process."""
    import tensorflow as tf

    (signature,) = collect_signatures(None, {"serving_default": export.attention_of(model)})
    return signature.compute_outputs(*map(tf.constant, arrays))


def compute_expected_scores(model):
    """Compute the same scores layer by layer."""
    layer = model.get_layer
    source, target = (layer("words")(ids) for ids in (SOURCE, TARGET))
    memory, heads = layer("heads")(source, return_attention_scores=True)
    decoded, alignments = layer("decoder")(target, memory, return_attention_scores=True)
    _, additive = layer("additive")([decoded, memory], return_attention_scores=True)
    return {"heads": heads, "decoder": alignments, "additive": additive}


@pytest.mark.parametrize("options", [{}, {"return_attention_scores": True}], ids=str)
def test_the_weights_of_a_functional_model_are_named_after_its_layers(options, tmp_path):
    model = make_translator(**options)
    before = model({"source": SOURCE, "target": TARGET})["last"]
    path = export.saved_model(model, tmp_path / "m", {"attention": export.attention_of(model)})
    inputs = {"source": SOURCE, "target": TARGET}
    answer = export.run_in_c_loader(path, "attention", inputs)
    assert {name: array.shape for name, array in answer.items()} == {
        "heads": (2, 2, 5, 5),
        "decoder": (2, 3, 5),
        "additive": (2, 3, 5),
    }
    for name, weights in compute_expected_scores(model).items():
        np.testing.assert_allclose(answer[name], weights, atol=1e-6)
    assert np.all(answer["decoder"][1, :, 2:] == 0)  # masked keys get no weight
    served = export.run_in_c_loader(path, "serving_default", inputs)["last"]
    np.testing.assert_allclose(served, before, atol=1e-6)


def test_the_signature_uses_the_models_current_weights_and_stores_them_once(tmp_path):
    import tensorflow as tf

    model = make_translator()
    signature = export.attention_of(model)
    for variable in model.trainable_variables:  # as further training would
        variable.assign(variable + 0.1)
    path = export.saved_model(model, tmp_path / "m", {"attention": signature})
    answer = export.run_in_c_loader(path, "attention", {"source": SOURCE, "target": TARGET})
    np.testing.assert_allclose(
        answer["additive"], compute_expected_scores(model)["additive"], atol=1e-6
    )
    stored = tf.train.list_variables(str(path / "variables" / "variables"))
    count = sum(int(np.prod(shape)) for name, shape in stored if "VARIABLE_VALUE" in name)
    assert count == model.count_params()


def test_the_model_is_not_changed():
    model = make_translator()
    config, output = model.get_config(), model.get_layer("heads").output
    export.attention_of(model)
    assert model.get_config() == config
    assert model.get_layer("heads").output is output


def test_a_sequential_model_is_supported():
    model = keras.Sequential(
        [
            keras.Input((None,), dtype="int32", name="ids"),
            keras.layers.Embedding(WORDS, WIDTH, mask_zero=True),
            keras_attention.AdditiveAttention(units=4, name="additive"),
            keras_attention.AttentionPooling(name="pooling"),
        ]
    )
    answer = compute_scores(model, SOURCE)
    assert answer["additive"].shape == (2, 5, 5) and answer["pooling"].shape == (2, 5)
    np.testing.assert_allclose(np.sum(answer["pooling"], -1), 1, atol=1e-6)
    assert np.all(answer["pooling"][1, 2:] == 0)


def test_several_calls_and_several_weights_of_a_layer_are_numbered():
    inputs, memory = keras.Input((None, 4), name="a"), keras.Input((None, 4), name="b")
    twice = keras_attention.AdditiveAttention(units=4, name="twice")
    block = keras_attention.TransformerDecoderBlock(2, 8, name="block")
    model = keras.Model([inputs, memory], block(twice(twice(inputs)), memory))
    answer = compute_scores(model, np.ones((1, 3, 4), "float32"), np.ones((1, 5, 4), "float32"))
    assert {name: tuple(array.shape) for name, array in answer.items()} == {
        "twice_0": (1, 3, 3),
        "twice_1": (1, 3, 3),
        "block_0": (1, 2, 3, 3),
        "block_1": (1, 2, 3, 5),
    }


def test_a_model_without_attention_is_refused():
    x = keras.Input((2,), name="x")
    model = keras.Model(x, keras.layers.Dense(2, name="dense")(x))
    with pytest.raises(ValueError, match="`return_attention_scores`. Received: .*'dense'"):
        export.attention_of(model)


@pytest.mark.parametrize("make_model", [lambda: None, keras.Sequential], ids=["none", "unbuilt"])
def test_a_model_without_inputs_is_refused(make_model):
    with pytest.raises(ValueError, match="Functional or a built Sequential model. Received: model"):
        export.attention_of(make_model())
