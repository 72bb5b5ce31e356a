"""`attention_of`: the weights with which a model answers, whatever its other layers are."""

import keras
import numpy as np

import keras_attention
from keras_attention import export
from tests.export.models.kinds.randomness import Call
from tests.export.models.kinds.variables import fit
from tests.export.models.tries import Case, Tries

layers = keras.layers
tries = Tries("attention_of")
FRAMES = np.float32(np.random.default_rng(0).standard_normal((2, 4, 4)))
WORDS = np.array([[b"b", b"?", b"a"]], object)
TEXTS = np.array([b"b d", b"c"], object)


def ask(model, request, *attention_layers, names=None, tolerance=1e-5):
    """The case of a model whose layers are called again with what they get in the model."""

    def compute(**inputs):
        weights = {}
        for layer in attention_layers:
            before = keras.Model(model.inputs, layer.input)([*inputs.values()])
            arguments = before if isinstance(before, list | tuple) else [before]
            _, found = layer(*arguments, return_attention_scores=True)
            weights[(names or {}).get(layer.name, layer.name)] = found
        return weights

    return Case(
        model,
        {"attention": export.attention_of(model)},
        requests=[("attention", request), ("attention", {k: v[:1] for k, v in request.items()})],
        expected={"attention": compute},
        tolerance=tolerance,
    )


def pool_after(function, value=FRAMES, shape=(None, 4), dtype="float32", tolerance=1e-5):
    """The case of a model that pools the outputs of a function."""
    x = keras.Input(shape, dtype=dtype, name="x")
    pool = keras_attention.AttentionPooling(name="pool")
    model = keras.Model(x, pool(function(x)))
    example = {"x": value} if dtype == "string" else None
    case = ask(model, {"x": value}, pool, tolerance=tolerance)
    case.example = example
    return case


def embed(ids, **kwargs):
    return layers.Embedding(9, 4, **kwargs)(ids)


@tries.right(quick=True)
def after_an_adapted_normalization():
    layer = layers.Normalization()
    layer.adapt(np.random.default_rng(0).standard_normal((200, 6, 4)) * 5 + 40)
    return pool_after(layer, FRAMES * 5 + 40)


@tries.right()
def after_a_layer_whose_attribute_was_set_later():
    class Scale(layers.Layer):
        def __init__(self):
            super().__init__()
            self.factor = 1.0

        def call(self, x):
            return x * self.factor

    layer = Scale()
    layer.factor = 30.0
    return pool_after(layer)


@tries.right(quick=True)
def after_a_string_lookup():
    lookup = layers.StringLookup(vocabulary=["a", "b"])
    return pool_after(lambda words: embed(lookup(words)), WORDS, (None,), "string")


@tries.right()
def after_two_lookups():
    there = layers.StringLookup(vocabulary=["a", "b"])
    back = layers.StringLookup(vocabulary=["a", "b"], invert=True)
    again = layers.StringLookup(vocabulary=["b", "a"])
    return pool_after(lambda x: embed(again(back(there(x)))), WORDS, (None,), "string")


@tries.right()
def after_an_integer_lookup():
    lookup = layers.IntegerLookup(vocabulary=[20, 30])
    ids = np.array([[30, 7, 20], [20, 20, 1]])
    return pool_after(lambda x: embed(lookup(x)), ids, (None,), "int64")


@tries.right()
def after_a_text_vectorization():
    layer = layers.TextVectorization(output_sequence_length=4)
    layer.adapt(["a b c", "b c d"])
    return pool_after(lambda x: embed(layer(x), mask_zero=True), TEXTS, (), "string")


@tries.right()
def after_a_discretization():
    bins = layers.Discretization([-1.0, 0.0, 1.0])
    return pool_after(lambda x: embed(bins(x)), FRAMES[..., 0], (None,))


@tries.right()
def after_a_lambda():
    return pool_after(layers.Lambda(lambda x: 2 * x))


@tries.right()
def after_a_custom_layer():
    return pool_after(Call(lambda x: x**2))


@tries.right()
def after_a_layer_with_an_array():
    table = 5 * np.eye(4, dtype="float32")
    return pool_after(
        Call(lambda ids: keras.ops.take(table, ids, axis=0)), np.int32([[1, 3]]), (None,), "int32"
    )


@tries.right()
def after_batch_normalization():
    return pool_after(lambda x: layers.BatchNormalization()(layers.Dense(3)(x)))


@tries.right()
def after_lora():
    dense = layers.Dense(4)
    dense.build((None, None, 4))
    dense.enable_lora(2)
    dense.lora_kernel_b.assign(np.ones((2, 4)))
    return pool_after(dense)


@tries.right()
def after_quantized_layers():
    x = keras.Input((None, 4), name="x")
    pool = keras_attention.AttentionPooling(name="pool")
    model = keras.Model(x, pool(layers.Dense(8)(x)))
    model.layers[1].quantize("int8")
    return ask(model, {"x": FRAMES}, pool)


@tries.right()
def in_mixed_precision():
    x = keras.Input((None, 4), name="x")
    pool = keras_attention.AttentionPooling(name="pool", dtype="mixed_bfloat16")
    model = keras.Model(x, pool(layers.Dense(8, dtype="mixed_bfloat16")(x)))
    return ask(model, {"x": FRAMES}, pool, tolerance=0.05)


@tries.right(quick=True)
def multi_head_attention_of_keras_with_a_mask():
    ids = keras.Input((None,), dtype="int32", name="ids")
    embedded = embed(ids, mask_zero=True)
    heads = layers.MultiHeadAttention(2, 3, name="heads")
    model = keras.Model(ids, heads(embedded, embedded))
    return ask(model, {"ids": np.int32([[1, 2, 0, 0], [3, 1, 2, 8]])}, heads)


@tries.right()
def additive_attention_of_keras_with_a_mask():
    ids = keras.Input((None,), dtype="int32", name="ids")
    embedded = embed(ids, mask_zero=True)
    additive = layers.AdditiveAttention(name="additive")
    model = keras.Model(ids, additive([embedded, embedded]))
    request = np.int32([[1, 2, 0, 0], [3, 1, 2, 8]])
    case = ask(model, {"ids": request})
    embedding = model.layers[1]

    def compute(ids):
        rows, mask = embedding(ids), embedding.compute_mask(ids)
        _, weights = additive([rows, rows], mask=[mask, mask], return_attention_scores=True)
        return {"additive": weights}

    case.expected = {"attention": compute}
    return case


@tries.right()
def several_layers():
    x = keras.Input((None, 4), name="x")
    heads = keras_attention.MultiHeadSelfAttention(2, key_dim=3, name="heads")
    pool = keras_attention.AttentionPooling(name="pool")
    return ask(keras.Model(x, pool(heads(x) + x)), {"x": FRAMES}, heads, pool)


@tries.right()
def a_layer_called_twice():
    x = keras.Input((None, 4), name="x")
    additive = keras_attention.AdditiveAttention(units=3, name="a")
    model = keras.Model(x, additive(additive(x)))

    def compute(x):
        hidden, first = additive(x, return_attention_scores=True)
        _, second = additive(hidden, return_attention_scores=True)
        return {"a_0": first, "a_1": second}

    case = ask(model, {"x": FRAMES})
    case.expected = {"attention": compute}
    return case


@tries.right()
def a_decoder():
    target, source = keras.Input((None, 4), name="target"), keras.Input((None, 4), name="source")
    attention = keras_attention.AdditiveAttention(units=3)
    decoder = keras_attention.AttentionDecoder(layers.GRUCell(4), attention, name="decoder")
    model = keras.Model([target, source], decoder(target, source))
    case = ask(model, {"target": FRAMES[:, :2], "source": FRAMES})

    def compute(target, source):
        return {"decoder": decoder(target, source, return_attention_scores=True)[1]}

    case.expected = {"attention": compute}
    return case


@tries.right()
def in_a_sequential_model():
    pool = keras_attention.AttentionPooling(name="pool")
    model = keras.Sequential([keras.Input((None, 4), name="x"), layers.Dense(3), pool])
    return ask(model, {"x": FRAMES}, pool)


@tries.right()
def in_a_model_inside_of_the_model():
    hidden, x = keras.Input((None, 4)), keras.Input((None, 4), name="x")
    pool = keras_attention.AttentionPooling(name="pool")
    encoder = keras.Model(hidden, pool(hidden), name="encoder")
    dense = layers.Dense(4)
    case = ask(keras.Model(x, encoder(dense(x))), {"x": FRAMES})

    def compute(x):
        return {"encoder/pool": pool(dense(x), return_attention_scores=True)[1]}

    case.expected = {"attention": compute}
    return case


@tries.right()
def with_lengths():
    ids = keras.Input((None,), dtype="int32", name="ids")
    embedding, pool = (
        layers.Embedding(9, 4, mask_zero=True),
        keras_attention.AttentionPooling(name="pool"),
    )
    model = keras.Model(ids, pool(embedding(ids)))
    signature = export.with_lengths(export.attention_of(model), {"ids": 0})
    request = {"ids": np.int32([[5, 3, 7, 5], [1, 2, 3, 4]]), "lengths": np.int32([2, 4])}

    def compute(ids, lengths):
        short = pool(embedding(ids[:1, :2]), return_attention_scores=True)[1]
        whole = pool(embedding(ids[1:]), return_attention_scores=True)[1]
        return {"pool": np.concatenate([np.pad(short, ((0, 0), (0, 2))), whole])}

    return Case(
        model,
        {"attention": signature},
        requests=[("attention", request)],
        expected={"attention": compute},
    )


@tries.right()
def weights_changed_afterwards():
    case = pool_after(lambda x: layers.Dense(3)(x))
    case.model.set_weights([2 * weight + 0.5 for weight in case.model.get_weights()])
    return case


@tries.right()
def of_a_trained_model():
    x = keras.Input((4,), name="x")
    pool = keras_attention.AttentionPooling(name="pool")
    rows = layers.Reshape((4, 1))(x)
    model = fit(keras.Model(x, pool(layers.Dense(3, "tanh")(rows))))
    return ask(model, {"x": FRAMES[0]}, pool)


@tries.refused("`return_attention_scores`", "'dense_only'", quick=True)
def without_an_attention_layer():
    x = keras.Input((4,), name="x")
    model = keras.Model(x, layers.Dense(3, name="dense_only")(x))
    return Case(model, {"attention": export.attention_of(model)})


@tries.refused("outside of loops", "'rows/pool'", quick=True)
def only_in_a_loop():
    x = keras.Input((3, None, 4), name="x")
    pool = keras_attention.AttentionPooling(name="pool")
    model = keras.Model(x, layers.TimeDistributed(pool, name="rows")(x))
    return Case(model, {"attention": export.attention_of(model)})


@tries.warned("leaves out ['rows/pool']")
def also_in_a_loop():
    x = keras.Input((3, None, 4), name="x")
    inner = keras_attention.AttentionPooling(name="pool")
    outer = keras_attention.AttentionPooling(name="outer")
    model = keras.Model(x, outer(layers.TimeDistributed(inner, name="rows")(x)))
    return ask(model, {"x": np.stack([FRAMES, -FRAMES, 2 * FRAMES], axis=1)}, outer)


@tries.refused("Functional or a built Sequential", "Received: model=<")
def of_a_subclassed_model():
    class Own(keras.Model):
        def call(self, x):
            return x

    model = Own()
    return Case(model, {"attention": export.attention_of(model)})
