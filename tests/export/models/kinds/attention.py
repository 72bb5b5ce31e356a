"""Attention layers of Keras and of this package, also inside other layers and loops."""

import keras
import numpy as np

import keras_attention
from tests.export.models.tries import Case, Tries

layers = keras.layers
tries = Tries("attention layers, submodels and TimeDistributed")
IDS = np.int32([[1, 2, 3, 2, 0, 0], [3, 3, 1, 2, 2, 1]])


def embed(function):
    """The case of a model that embeds ids, of which 0 is padding."""
    ids = keras.Input((None,), dtype="int32", name="ids")
    model = keras.Model(ids, function(layers.Embedding(5, 8, mask_zero=True)(ids)))
    return Case(model, requests=[("serving_default", {"ids": IDS})])


@tries.right(quick=True)
def multi_head_attention_of_keras():
    attention = layers.MultiHeadAttention(2, 3)
    return embed(lambda x: attention(x, x, use_causal_mask=True))


@tries.right()
def grouped_queries_of_keras():
    attention = layers.GroupQueryAttention(4, 4, 2)
    return embed(lambda x: attention(x, x))


@tries.right()
def our_layers_in_two_models():
    hidden = keras.Input((None, 8), name="hidden")
    encoder = keras.Model(
        hidden, keras_attention.MultiHeadSelfAttention(2, key_dim=3)(hidden), name="encoder"
    )
    pooling = keras_attention.AttentionPooling()
    return embed(lambda x: pooling(encoder(encoder(x))))


@tries.right(quick=True)
def a_transformer_block():
    block = keras_attention.TransformerEncoderBlock(2, 16)
    return embed(lambda x: block(x, use_causal_mask=True))


@tries.right()
def an_attention_decoder():
    source, target = (keras.Input((None,), dtype="int32", name=name) for name in "st")
    embedding = layers.Embedding(5, 4, mask_zero=True)
    decoder = keras_attention.AttentionDecoder(
        layers.GRUCell(4), keras_attention.AdditiveAttention(units=3)
    )
    decoded = decoder(embedding(target), embedding(source))
    request = {"s": IDS, "t": IDS[:, :3]}
    return Case(keras.Model([source, target], decoded), requests=[("serving_default", request)])


@tries.right()
def a_local_attention_of_long_sequences():
    attention = keras_attention.LocalAttention(window=2)
    return embed(lambda x: attention([x, x]))


def distribute(layer, *shape, name="rows"):
    x = keras.Input(shape, name="x")
    return Case(keras.Model(x, layers.TimeDistributed(layer, name=name)(x)))


@tries.right(quick=True)
def dense_over_fixed_sizes():
    return distribute(layers.Dense(3), 4, 5, 2)


@tries.right()
def attention_over_a_fixed_number_of_rows():
    return distribute(keras_attention.AttentionPooling(), 4, None, 2)


@tries.refused("TimeDistributed", "layers ['rows']", "EachStep", quick=True)
def dense_over_two_unknown_sizes():
    return distribute(layers.Dense(3), None, None, 2)


@tries.refused("TimeDistributed", "layers ['rows']", "EachStep")
def attention_over_two_unknown_sizes():
    ids = keras.Input((None, None), dtype="int32", name="ids")
    embedded = layers.Embedding(5, 4, mask_zero=True)(ids)
    pool = layers.TimeDistributed(keras_attention.AttentionPooling(), name="rows")
    return Case(keras.Model(ids, pool(embedded)))


@tries.right()
def each_step_over_two_unknown_sizes():
    x = keras.Input((None, None, 2), name="x")
    return Case(keras.Model(x, keras_attention.EachStep(keras_attention.AttentionPooling())(x)))
