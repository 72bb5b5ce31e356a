"""`with_lengths`: sequences that a server pads, and models that read the padding."""

import keras
import numpy as np

import keras_attention
from keras_attention import export
from tests.export.models.tries import Case, Tries

layers = keras.layers
tries = Tries("with_lengths")
IDS, LENGTHS = np.int32([[5, 3, 5, 5, 5], [1, 2, 3, 4, 4], [7, 7, 7, 7, 7]]), np.int32([2, 5, 1])


def lengthen(function, mask_zero=True):
    """The case of a model of ids; each row must be as if it was alone and not padded."""
    ids = keras.Input((None,), dtype="int32", name="ids")
    model = keras.Model(ids, function(layers.Embedding(9, 4, mask_zero=mask_zero)(ids)))

    def compute(ids, lengths):
        rows = [model(ids[i : i + 1, :length]) for i, length in enumerate(lengths.numpy())]
        return keras.ops.concatenate(rows)

    return Case(
        model,
        {"serving_default": export.with_lengths(model, {"ids": 0})},
        requests=[("serving_default", {"ids": IDS, "lengths": LENGTHS})],
        expected={"serving_default": compute},
    )


@tries.right(quick=True)
def lstm():
    return lengthen(layers.LSTM(3))


@tries.right()
def attention_pooling():
    return lengthen(keras_attention.AttentionPooling())


@tries.right()
def self_attention():
    def encode(x):
        x = keras_attention.TransformerEncoderBlock(2, 8)(x)
        return keras_attention.AttentionPooling()(x)

    return lengthen(encode)


@tries.right()
def mean_over_visible_words():
    return lengthen(layers.GlobalAveragePooling1D())


@tries.right()
def a_mask_as_an_input():
    x, mask = keras.Input((None, 4), name="x"), keras.Input((None,), dtype="bool", name="mask")
    lstm = layers.GRU(3, use_cudnn=False)
    model = keras.Model([x, mask], lstm(x, mask=mask))
    frames = np.random.default_rng(0).random((3, 5, 4), "float32")

    def compute(x, lengths):
        rows = [lstm(x[i : i + 1, :length]) for i, length in enumerate(lengths.numpy())]
        return keras.ops.concatenate(rows)

    return Case(
        None,
        {"serving_default": export.with_lengths(model, {"x": "mask"})},
        requests=[("serving_default", {"x": frames, "lengths": LENGTHS})],
        expected={"serving_default": compute},
    )


PADDING = ("signature 'serving_default', which has lengths", "`Embedding(mask_zero=True)`")


@tries.refused(*PADDING, quick=True)
def an_lstm_without_a_mask():
    return lengthen(layers.LSTM(3), mask_zero=False)


@tries.refused(*PADDING)
def attention_without_a_mask():
    return lengthen(keras_attention.AttentionPooling(), mask_zero=False)


@tries.refused(*PADDING, "GlobalMaxPooling1D")
def a_layer_that_ignores_masks():
    return lengthen(layers.GlobalMaxPooling1D())


@tries.refused("`sequences`", "['ids']", "'words'")
def a_sequence_that_is_no_input():
    ids = keras.Input((None,), dtype="int32", name="ids")
    return Case(None, {"serving_default": export.with_lengths(keras.Model(ids, ids), {"words": 0})})
