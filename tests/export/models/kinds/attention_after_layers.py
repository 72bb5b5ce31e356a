"""`attention_of`: the weights with which a model answers, whatever its other layers are."""

import keras
import numpy as np

import keras_attention
from tests.export.models.kinds.attention_of import FRAMES, ask, embed
from tests.export.models.kinds.randomness import Call
from tests.export.models.tries import Tries

layers = keras.layers
tries = Tries("attention_of after other layers")
WORDS = np.array([[b"b", b"?", b"a"]], object)
TEXTS = np.array([b"b d", b"c"], object)


def pool_after(function, value=FRAMES, shape=(None, 4), dtype="float32", tolerance=1e-5):
    """The case of a model that pools the outputs of a function."""
    x = keras.Input(shape, dtype=dtype, name="x")
    pool = keras_attention.AttentionPooling(name="pool")
    model = keras.Model(x, pool(function(x)))
    example = {"x": value} if dtype == "string" else None
    case = ask(model, {"x": value}, pool, tolerance=tolerance)
    case.example = example
    return case


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
def weights_changed_afterwards():
    case = pool_after(lambda x: layers.Dense(3)(x))
    case.model.set_weights([2 * weight + 0.5 for weight in case.model.get_weights()])
    return case
