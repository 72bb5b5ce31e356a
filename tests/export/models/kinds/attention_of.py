"""`attention_of`: the weights with which models of different structures answer."""

import keras
import numpy as np

import keras_attention
from keras_attention import export
from tests.export.models.kinds.variables import fit
from tests.export.models.tries import Case, Tries

layers = keras.layers
tries = Tries("attention_of")
FRAMES = np.float32(np.random.default_rng(0).standard_normal((2, 4, 4)))


def ask(model, request, *attention_layers, tolerance=1e-5):
    """The case of a model whose layers are called again with what they get in the model."""

    def compute(**inputs):
        weights = {}
        for layer in attention_layers:
            before = keras.Model(model.inputs, layer.input)([*inputs.values()])
            arguments = before if isinstance(before, list | tuple) else [before]
            _, found = layer(*arguments, return_attention_scores=True)
            weights[layer.name] = found
        return weights

    return Case(
        model,
        {"attention": export.attention_of(model)},
        requests=[("attention", request), ("attention", {k: v[:1] for k, v in request.items()})],
        expected={"attention": compute},
        tolerance=tolerance,
    )


def embed(ids, **kwargs):
    return layers.Embedding(9, 4, **kwargs)(ids)


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
