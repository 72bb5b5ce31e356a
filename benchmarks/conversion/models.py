"""The models to convert, one small model per mechanism, and their inputs.

Their batch size and length are unknown.
"""

import keras
import numpy as np
from keras import ops

import keras_attention as ours

WIDTH = 6


def make_sequence(name="x"):
    return keras.Input((None, WIDTH), name=name)


def make_unmasked(layer, **options):
    """Return a model that calls the layer on float inputs."""
    x = make_sequence()
    return keras.Model(x, layer(x, **options))


def make_masked(layer):
    """Return a model that calls the layer on embedded word ids, with id 0 as padding."""
    words = keras.Input((None,), dtype="int32", name="words")
    return keras.Model(
        words, layer(keras.layers.Embedding(9, WIDTH, mask_zero=True, name="words_table")(words))
    )


def make_scores():
    return keras.Model(
        x := make_sequence(),
        ours.MultiHeadSelfAttention(2, 3)(x, return_attention_scores=True)[1],
    )


def make_image(**options):
    pixels = keras.Input((None, None, WIDTH), name="pixels")
    return keras.Model(pixels, ours.SelfAttention2D(key_reduction=2, **options)(pixels))


def make_with_memory(layer):
    """Return a model that calls a layer or function on two sequences, target and memory."""
    target, memory = make_sequence("target"), make_sequence("memory")
    return keras.Model([target, memory], layer(target, memory))


def make_decoder():
    cell, attention = keras.layers.GRUCell(WIDTH), ours.AdditiveAttention(units=5)
    return make_with_memory(ours.AttentionDecoder(cell, attention))


def make_memory_machine():
    cell = ours.NTMCell(5, slots=7, width=4)
    return make_unmasked(keras.layers.RNN(cell, return_sequences=True))


@keras.saving.register_keras_serializable(package="benchmarks")
class Greedy(keras.layers.Layer):
    """Greedy decoding of three ids, whose logits are products of the state and an embedding."""

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
    "Attention": lambda: make_masked(ours.Attention("scaled_dot")),
    "AdditiveAttention": lambda: make_masked(ours.AdditiveAttention(units=5)),
    "LuongAttention": lambda: make_masked(ours.LuongAttention("general", units=5)),
    'LuongAttention(implementation="plain")': lambda: make_masked(
        ours.LuongAttention("general", units=5, implementation="plain")
    ),
    "LocalAttention": lambda: make_masked(ours.LocalAttention(window=2)),
    "HardAttention": lambda: make_masked(ours.HardAttention()),
    "AttentionPooling": lambda: make_masked(ours.AttentionPooling()),
    "MultiHeadAttention": lambda: make_with_memory(
        lambda *inputs: ours.MultiHeadAttention(2, 3)([*inputs])
    ),
    "MultiHeadSelfAttention": lambda: make_masked(ours.MultiHeadSelfAttention(2, 3)),
    'MultiHeadSelfAttention(implementation="plain")': lambda: make_masked(
        ours.MultiHeadSelfAttention(2, 3, implementation="plain")
    ),
    "MultiHeadSelfAttention, its scores": make_scores,
    "PositionalEncoding": lambda: make_unmasked(ours.PositionalEncoding()),
    "TransformerEncoderBlock": lambda: make_masked(ours.TransformerEncoderBlock(2, 12)),
    "TransformerDecoderBlock": lambda: make_with_memory(ours.TransformerDecoderBlock(2, 12)),
    "SelfAttention2D": make_image,
    'SelfAttention2D(implementation="plain")': lambda: make_image(implementation="plain"),
    "NTMCell in an RNN": make_memory_machine,
    "AttentionDecoder": make_decoder,
    "PointerDecoder": lambda: make_with_memory(ours.PointerDecoder(5)),
    "greedy decoding": lambda: make_unmasked(Greedy()),
}


def make_model(name):
    """Return the model of a name, with random weights.

    Random weights are needed because SelfAttention2D's gate, gamma, is initialized to zero.
    """
    keras.utils.set_random_seed(0)
    model = MODELS[name]()
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(0, 0.3, w.shape) for w in model.get_weights()])
    return model


def make_inputs(model, batch, length):
    """Return {name: array} for a model; the last two words of each row are padding."""
    rng, inputs = np.random.default_rng(length), {}
    for spec in model.inputs:
        shape = [batch, *(size or length for size in spec.shape[1:])]
        if spec.dtype == "int32":
            inputs[spec.name] = rng.integers(1, 9, shape).astype("int32")
            inputs[spec.name][:, length - 2 :] = 0
        else:
            inputs[spec.name] = rng.standard_normal(shape).astype("float32")
    return inputs
