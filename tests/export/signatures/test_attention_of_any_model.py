"""`attention_of` returns the weights with which the model answers, whatever layers it has."""

import keras
import numpy as np
import pytest

import keras_attention
from keras_attention import attention_weights, export
from keras_attention.export.signatures.reference import CheckedFunction
from keras_attention.export.signatures.signature import collect_signatures
from tests.explain.attention_models import MODELS

LAYERS = keras.layers


def compute_scores(model, *arrays):
    """Run the signature in this process."""
    import tensorflow as tf

    (signature,) = collect_signatures(None, {"serving_default": export.attention_of(model)})
    return signature.compute_outputs(*map(tf.constant, arrays))


class Scale(LAYERS.Layer):
    """Its factor is set after construction, and its constructor takes no `name`."""

    def __init__(self):
        super().__init__()
        self.factor = 1.0

    def call(self, inputs):
        return inputs * self.factor


class Table(LAYERS.Layer):
    """Its constructor takes an array, which `get_config` does not return."""

    def __init__(self, values, **kwargs):
        super().__init__(**kwargs)
        self.values = keras.ops.convert_to_tensor(values)

    def call(self, ids):
        return keras.ops.take(self.values, ids, axis=0)


class Block(LAYERS.Layer):
    """An attention layer of Keras and one of this package, neither of which it returns."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.heads = LAYERS.MultiHeadAttention(2, 3, name="heads")
        self.pooling = keras_attention.AttentionPooling(name="pooling")

    def call(self, inputs, padding_mask=None):
        attention_mask = None if padding_mask is None else padding_mask[:, None, :]
        return self.pooling(self.heads(inputs, inputs, attention_mask=attention_mask) + inputs)


def embed(ids):
    return LAYERS.Embedding(9, 4, name="words")(ids)


def scale(inputs):
    layer = Scale()
    layer.factor = 30.0
    return layer(inputs)


def normalize(inputs):
    layer = LAYERS.Normalization()
    layer.adapt(np.random.default_rng(0).standard_normal((200, 6, 4)) * 5 + 40)
    return layer(inputs)


def vectorize(texts):
    layer = LAYERS.TextVectorization(output_sequence_length=4)
    layer.adapt(["a b c", "b c d"])
    return embed(layer(texts))


FRAMES = np.float32(np.random.default_rng(0).standard_normal((2, 4, 4)))
# name: (dtype and shape of the input, its value, layers before the pooling)
PREPROCESSING = {
    "adapted Normalization": ("float32", (None, 4), FRAMES * 5 + 40, normalize),
    "attribute set later": ("float32", (None, 4), FRAMES, scale),
    "Lambda": ("float32", (None, 4), FRAMES, LAYERS.Lambda(lambda x: x * 2)),
    "Rescaling": ("float32", (None, 4), FRAMES, LAYERS.Rescaling(3.0, -2.0)),
    "array": ("int32", (None,), np.int32([[1, 0, 2]]), Table(np.eye(3, 4, dtype="float32") * 5)),
    "StringLookup": (
        "string",
        (None,),
        np.array([[b"b", b"?", b"a"]], object),
        lambda words: embed(LAYERS.StringLookup(vocabulary=["a", "b"])(words)),
    ),
    "IntegerLookup": (
        "int64",
        (None,),
        np.array([[30, 7, 20]]),
        lambda ids: embed(LAYERS.IntegerLookup(vocabulary=[20, 30])(ids)),
    ),
    "TextVectorization": ("string", (), np.array([b"b d", b"c"], object), vectorize),
}


@pytest.mark.filterwarnings("ignore:Expected a name for every input")
@pytest.mark.parametrize("kind", PREPROCESSING)
def test_the_served_weights_are_those_of_the_model(kind, tmp_path):
    keras.utils.set_random_seed(0)
    dtype, shape, example, preprocess = PREPROCESSING[kind]
    inputs = keras.Input(shape, dtype=dtype)  # Keras chooses its name.
    embedded = preprocess(inputs)
    pool = keras_attention.AttentionPooling(name="pool")
    model = keras.Model(inputs, pool(embedded))
    signature = export.attention_of(model)
    _, (spec,), _ = signature
    example = {spec.name: example}
    path = export.saved_model(model, tmp_path / "m", {"attention": signature}, example)
    before = keras.Model(inputs, embedded)(*example.values())
    _, expected = pool(before, return_attention_scores=True)
    assert np.ptp(expected) > 0.003  # The weights depend on the input.
    answer = export.run_in_c_loader(path, "attention", example)
    np.testing.assert_allclose(answer["pool"], expected, atol=1e-6)


def test_layers_inside_models_and_layers_have_a_path():
    keras.utils.set_random_seed(0)
    inputs, pool = keras.Input((None, 4)), keras_attention.AttentionPooling(name="p")
    additive = keras_attention.AdditiveAttention(units=3, name="p")
    encoder = keras.Model(inputs, additive(LAYERS.Dense(4)(inputs)), name="enc")
    stack = keras.Sequential([LAYERS.Dense(4), keras.Sequential([additive], name="in")], name="out")
    block = Block(name="block")
    x = keras.Input((None, 4), name="x")
    model = keras.Model(x, [pool(stack(encoder(x))), block(x)])
    answer = compute_scores(model, FRAMES)
    encoded = encoder.layers[1](FRAMES)
    hidden, first = additive(encoded, return_attention_scores=True)
    hidden = stack.layers[0](hidden)
    hidden, second = additive(hidden, return_attention_scores=True)
    _, heads = block.heads(FRAMES, FRAMES, return_attention_scores=True)
    expected = {
        "p": pool(hidden, return_attention_scores=True)[1],
        "enc/p_0": first,  # The same layer is called in both models.
        "enc/p_1": second,
        "block/heads": heads,
        "block/pooling": block.pooling(
            block.heads(FRAMES, FRAMES) + FRAMES, return_attention_scores=True
        )[1],
    }
    assert answer.keys() == expected.keys()
    for name, weights in expected.items():
        np.testing.assert_allclose(answer[name], weights, atol=1e-6, err_msg=name)


def test_a_layer_in_a_loop_is_left_out_with_a_warning():
    class Steps(LAYERS.Layer):
        def __init__(self):
            super().__init__(name="steps")
            self.attention = keras_attention.AdditiveAttention(units=2, name="looped")

        def call(self, inputs):
            self.attention(inputs)
            return keras.ops.fori_loop(0, 2, lambda _, x: self.attention(x), inputs)

    x = keras.Input((None, 3, 4), name="x")
    pool = keras_attention.AttentionPooling(name="pool")
    pooled = LAYERS.TimeDistributed(pool, name="rows")(x)
    alone = keras.Model(x, pooled)
    with pytest.raises(ValueError, match=r"outside of loops.* unlike \['rows/pool'\]. Received"):
        export.attention_of(alone)
    outside = keras_attention.AttentionPooling(name="outside")(Steps()(pooled))
    model = keras.Model(x, outside)
    with pytest.warns(UserWarning, match=r"out \['rows/pool', 'steps/looped'\]") as warnings:
        _, specs, _ = export.attention_of(model)
    assert warnings[0].filename == __file__ and [spec.name for spec in specs] == ["x"]


def test_layers_in_a_tf_function_and_layers_that_are_not_called_are_left_out_with_a_warning():
    import tensorflow as tf

    class Block(LAYERS.Layer):
        def __init__(self):
            super().__init__(name="block")
            self.inner = LAYERS.MultiHeadAttention(2, 4, name="inner")
            self.unused = LAYERS.MultiHeadAttention(2, 4, name="unused")

        def build(self, shape):
            self.inner.build(shape, shape)

        @tf.function
        def call(self, inputs):
            return self.inner(inputs, inputs)

    x = keras.Input((None, 4), name="x")
    model = keras.Model(x, keras_attention.AttentionPooling(name="pool")(Block()(x)))
    with pytest.warns(UserWarning, match=r"tf.function.*out \['block/inner', 'block/unused'\]"):
        signature = export.attention_of(model)
    assert list(signature[0](x=FRAMES)) == ["pool"]


def test_a_layer_that_returns_no_weights_when_asked_is_left_out_with_a_warning():
    class Silent(LAYERS.Layer):
        def call(self, inputs, return_attention_scores=False):
            return (inputs, None) if return_attention_scores else inputs

    x = keras.Input((None, 4), name="x")
    model = keras.Model(x, keras_attention.AttentionPooling(name="pool")(Silent(name="silent")(x)))
    with pytest.warns(UserWarning, match=r"leaves out \['silent'\]"):
        signature = export.attention_of(model)
    assert list(signature[0](x=FRAMES)) == ["pool"]


def test_equal_names_of_outputs_are_refused():
    x = keras.Input((None, 4), name="x")
    twice = keras_attention.AdditiveAttention(units=2, name="a")
    once = keras_attention.AdditiveAttention(units=2, name="a_0")
    model = keras.Model(x, twice(twice(once(x))))
    with pytest.raises(ValueError, match=r"names \['a_0'\]"):
        export.attention_of(model)


def test_the_models_own_methods_are_restored_also_after_an_error():
    x = keras.Input((None, 4), name="x")
    pool = keras_attention.AttentionPooling(name="pool")
    model = keras.Model(x, pool(x))
    function, *_ = export.attention_of(model)
    with pytest.raises(Exception, match="x"):
        function(x=np.ones((1, 3, 5), "float32"))
    assert "call" not in vars(pool)
    pool.call = call = pool.call  # As a user does who replaces the method of one object.
    function(x=FRAMES)
    assert vars(pool)["call"] == call


def test_a_layer_that_answers_differently_when_asked_is_refused(tmp_path):
    class Moody(LAYERS.Layer):
        def call(self, inputs, return_attention_scores=False):
            weights = keras.ops.softmax(inputs[..., 0])
            return (inputs * 2, weights) if return_attention_scores else inputs

    x = keras.Input((None, 4), name="x")
    model = keras.Model(x, Moody(name="moody")(x))
    with pytest.raises(export.SelfCheckError, match="layer 'moody' to return the same output"):
        export.saved_model(model, tmp_path / "m", {"attention": export.attention_of(model)})


def test_the_self_check_does_not_compare_the_exported_function_with_itself(tmp_path):
    x = keras.Input((None, 4), name="x")
    model = keras.Model(x, keras_attention.AttentionPooling(name="pool")(x))
    function, *rest = export.attention_of(model)

    def compute_wrong_weights(x):
        return {"pool": function(x=x)["pool"][:, ::-1]}

    wrong = CheckedFunction(compute_wrong_weights, function.compute_reference)
    with pytest.raises(export.SelfCheckError, match="signature 'attention', output 'pool'"):
        export.saved_model(model, tmp_path / "m", {"attention": (wrong, *rest)})


@pytest.mark.parametrize("name", ["readme_classifier", "readme_decoder", "strings", "transformer"])
def test_attention_of_has_the_weights_of_the_readmes_models_and_others(name):
    model, inputs, _ = MODELS[name]()
    function, specs, _ = export.attention_of(model)
    arrays = inputs if isinstance(inputs, dict | list | tuple) else [inputs]
    if not isinstance(arrays, dict):
        arrays = dict(zip([spec.name for spec in specs], arrays, strict=True))
    tensors = {spec.name: keras.ops.convert_to_tensor(arrays[spec.name]) for spec in specs}
    expected = attention_weights(model, inputs).items()
    # A block's weights are numbered here, and named there.
    for weights, (path, array) in zip(function(**tensors).values(), expected, strict=True):
        np.testing.assert_allclose(weights, array, atol=1e-6, err_msg=path)


def test_cells_with_attention_are_named_among_the_layers_that_are_left_out():
    model, _, _ = MODELS["turing_machine"]()
    with pytest.raises(ValueError, match=r"unlike \['rnn/cell'\]"):
        export.attention_of(model)
    decoder = keras_attention.AttentionDecoder(
        keras_attention.LSTMNCell(3, max_length=6, name="cell"),
        keras_attention.AdditiveAttention(units=3),
        name="decoder",
    )
    x = keras.Input((None, 4), name="x")
    with pytest.warns(UserWarning, match=r"leaves out \['decoder/cell'\]"):
        export.attention_of(keras.Model(x, decoder(x, x)))
