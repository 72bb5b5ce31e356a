"""Preprocessing layers and lookup tables, which a server needs as well as weights."""

import keras
import numpy as np

import keras_attention
from keras_attention.export import Spec
from tests.export.models.tries import Case, Tries

layers = keras.layers
tries = Tries("preprocessing and lookup tables")
TEXTS = np.array([b"b c", b"c unseen a b", b""], object)


def apply(layer, dtype, shape=(), values=None, then=None):
    """Return the case of a model of one layer, with a request for it."""
    x = keras.Input(shape, dtype=dtype, name="x")
    outputs = layer(x) if then is None else then(layer(x))
    requests = None if values is None else [("serving_default", {"x": values})]
    return Case(keras.Model(x, outputs), requests=requests)


def vectorize(**kwargs):
    layer = layers.TextVectorization(**kwargs)
    layer.adapt(["a b c", "b c", "c d"])
    return layer


@tries.right()
def text_vectorization_to_ids():
    layer = vectorize(output_mode="int", output_sequence_length=5)
    return apply(layer, "string", values=TEXTS, then=layers.Embedding(9, 4))


@tries.right()
def text_vectorization_to_tf_idf():
    return apply(vectorize(output_mode="tf_idf"), "string", values=TEXTS)


@tries.right(quick=True)
def text_of_any_length_into_attention():
    def pool(ids):
        embedded = layers.Embedding(9, 4, mask_zero=True)(ids)
        return keras_attention.AttentionPooling()(embedded)

    return apply(vectorize(), "string", values=TEXTS[:2], then=pool)


@tries.right()
def string_lookup_to_multi_hot():
    layer = layers.StringLookup(vocabulary=["a", "b"], output_mode="multi_hot")
    return apply(layer, "string", (3,), np.array([[b"b", b"?", b"b"]], object))


@tries.right()
def string_lookup_from_ids():
    layer = layers.StringLookup(vocabulary=["a", "b"], invert=True)
    return apply(layer, "int64", (None,), np.array([[2, 0, 1]]))


@tries.right(quick=True)
def string_lookup_of_a_file(folder):
    file = folder / "words.txt"
    file.write_text("a\nb\n")
    layer = layers.StringLookup(vocabulary=str(file))
    return apply(layer, "string", (None,), np.array([[b"b", b"?", b"a"]], object))


@tries.right()
def numbers_in_five_ways():
    x = keras.Input((3,), name="x")
    ids = keras.Input((1,), dtype="int64", name="ids")
    words = keras.Input((1,), dtype="string", name="words")
    normalize = layers.Normalization()
    normalize.adapt(np.random.default_rng(0).standard_normal((50, 3)) * 5 + 40)
    outputs = {
        "normalized": normalize(x),
        "bins": layers.Discretization([-1.0, 0.0, 1.0])(x),
        "looked up": layers.IntegerLookup(vocabulary=[1, 3])(ids),
        "hashed": layers.Hashing(7)(words),
        "category": layers.CategoryEncoding(5, output_mode="one_hot")(ids),
    }
    return Case(keras.Model([x, ids, words], outputs))


@tries.right()
def hashed_crossing():
    a, b = (keras.Input((), dtype="string", name=name) for name in "ab")
    return Case(keras.Model([a, b], layers.HashedCrossing(11)((a, b))))


@tries.right()
def feature_space():
    import tensorflow as tf

    space = keras.utils.FeatureSpace(
        {"word": "string_categorical", "number": "float_normalized"}, output_mode="concat"
    )
    data = {"word": ["a", "b", "a"], "number": [[1.0], [2.0], [6.0]]}
    space.adapt(tf.data.Dataset.from_tensor_slices(data))
    inputs = space.get_inputs()
    model = keras.Model(inputs, layers.Dense(2)(space.get_encoded_features()))
    return Case(model)


class Table(layers.Layer):
    """A layer with a table of TensorFlow."""

    def __init__(self):
        import tensorflow as tf

        super().__init__()
        entries = tf.lookup.KeyValueTensorInitializer(tf.constant([1, 2]), tf.constant([10, 20]))
        self.table = tf.lookup.StaticHashTable(entries, -1)

    def call(self, x):
        return self.table.lookup(x)


@tries.right(quick=True)
def a_table_in_a_layer():
    return apply(Table(), "int32", (None,))


@tries.right()
def a_table_in_the_resources():
    layer = Table()
    specs = [Spec("x", (None,), "int32")]
    return Case(None, {"serving_default": (lambda x: layer.table.lookup(x), specs, [layer])})


@tries.refused("`resources`", "serving_default", quick=True)
def a_table_that_nothing_holds():
    table, specs = Table().table, [Spec("x", (None,), "int32")]
    return Case(None, {"serving_default": (lambda x: table.lookup(x), specs)})
