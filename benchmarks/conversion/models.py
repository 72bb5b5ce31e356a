"""One small model of each mechanism, of any batch and any length, and inputs for it."""

import keras
import numpy as np
from keras import ops

import keras_attention as ours

WIDTH = 6


def sequence(name="x"):
    return keras.Input((None, WIDTH), name=name)


def one(layer, **options):
    """The layer alone, over numbers."""
    x = sequence()
    return keras.Model(x, layer(x, **options))


def masked(layer):
    """The layer over words, of which the id 0 is padding."""
    words = keras.Input((None,), dtype="int32", name="words")
    return keras.Model(
        words, layer(keras.layers.Embedding(9, WIDTH, mask_zero=True, name="words_table")(words))
    )


def scores():
    return keras.Model(
        x := sequence(),
        ours.MultiHeadSelfAttention(2, 3)(x, return_attention_scores=True)[1],
    )


def image(**options):
    pixels = keras.Input((None, None, WIDTH), name="pixels")
    return keras.Model(pixels, ours.SelfAttention2D(key_reduction=2, **options)(pixels))


def over_memory(layer):
    """The layer, or a function, over two sequences, of which it looks at the second."""
    target, memory = sequence("target"), sequence("memory")
    return keras.Model([target, memory], layer(target, memory))


def decoder():
    cell, attention = keras.layers.GRUCell(WIDTH), ours.AdditiveAttention(units=5)
    return over_memory(ours.AttentionDecoder(cell, attention))


def memory_machine():
    cell = ours.NTMCell(5, slots=7, width=4)
    return one(keras.layers.RNN(cell, return_sequences=True))


@keras.saving.register_keras_serializable(package="benchmarks")
class Greedy(keras.layers.Layer):
    """Writes three ids, each the one whose vector is closest to what it has in mind."""

    def build(self, shape):
        self.table = self.add_weight(shape=(9, shape[-1]), name="table")

    def call(self, x):
        def step(tokens, state, memory):
            state = ops.tanh(state + ops.take(self.table, tokens, axis=0))
            return ops.matmul(state, ops.transpose(self.table)), state, None

        start = ops.mean(x, axis=1)
        return ours.decoding.greedy(step, start, start_token=1, end_token=2, max_length=3).scores

    def compute_output_shape(self, shape):
        return shape[:1]


MODELS = {
    "Attention": lambda: masked(ours.Attention("scaled_dot")),
    "AdditiveAttention": lambda: masked(ours.AdditiveAttention(units=5)),
    "LuongAttention": lambda: masked(ours.LuongAttention("general", units=5)),
    'LuongAttention(implementation="plain")': lambda: masked(
        ours.LuongAttention("general", units=5, implementation="plain")
    ),
    "LocalAttention": lambda: masked(ours.LocalAttention(window=2)),
    "HardAttention": lambda: masked(ours.HardAttention()),
    "AttentionPooling": lambda: masked(ours.AttentionPooling()),
    "MultiHeadAttention": lambda: over_memory(
        lambda *inputs: ours.MultiHeadAttention(2, 3)([*inputs])
    ),
    "MultiHeadSelfAttention": lambda: masked(ours.MultiHeadSelfAttention(2, 3)),
    'MultiHeadSelfAttention(implementation="plain")': lambda: masked(
        ours.MultiHeadSelfAttention(2, 3, implementation="plain")
    ),
    "MultiHeadSelfAttention, its scores": scores,
    "PositionalEncoding": lambda: one(ours.PositionalEncoding()),
    "TransformerEncoderBlock": lambda: masked(ours.TransformerEncoderBlock(2, 12)),
    "TransformerDecoderBlock": lambda: over_memory(ours.TransformerDecoderBlock(2, 12)),
    "SelfAttention2D": image,
    'SelfAttention2D(implementation="plain")': lambda: image(implementation="plain"),
    "NTMCell in an RNN": memory_machine,
    "AttentionDecoder": decoder,
    "PointerDecoder": lambda: over_memory(ours.PointerDecoder(5)),
    "greedy decoding": lambda: one(Greedy()),
}


def make(name):
    """The model, with weights that are all in use (SelfAttention2D's gate starts closed)."""
    keras.utils.set_random_seed(0)
    model = MODELS[name]()
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(0, 0.3, w.shape) for w in model.get_weights()])
    return model


def inputs(model, batch, length):
    """{name: array} for a model; the last words of each row are padding."""
    rng, made = np.random.default_rng(length), {}
    for spec in model.inputs:
        shape = [batch, *(size or length for size in spec.shape[1:])]
        if spec.dtype == "int32":
            made[spec.name] = rng.integers(1, 9, shape).astype("int32")
            made[spec.name][:, length - 2 :] = 0
        else:
            made[spec.name] = rng.standard_normal(shape).astype("float32")
    return made
