"""Dtype policies, and quantized layers."""

import functools

import keras

from tests.export.models.tries import Case, Tries

layers = keras.layers
tries = Tries("dtype policies and quantize")


def compute_with(policy, tolerance):
    """The case of a model whose layers have a policy."""
    x = keras.Input((None, 6), name="x")
    hidden = layers.LayerNormalization(dtype=policy)(layers.Dense(8, "relu", dtype=policy)(x))
    attended = layers.MultiHeadAttention(2, 3, dtype=policy)(hidden, hidden)
    return Case(keras.Model(x, attended), tolerance=tolerance)


for one, error in (
    ("mixed_float16", 0.02),
    ("mixed_bfloat16", 0.05),
    ("float16", 0.02),
    ("bfloat16", 0.05),
    ("float64", 1e-5),
):
    tries.add(one, functools.partial(compute_with, one, error), one == "mixed_float16")


def quantize(mode):
    """The case of a quantized model."""
    x = keras.Input((None,), dtype="int32", name="x")
    hidden = layers.Dense(8, "relu")(layers.Embedding(5, 16)(x))
    model = keras.Model(x, layers.EinsumDense("abc,cd->abd", (None, 4))(hidden))
    model.quantize(mode)
    return Case(model)


tries.add("quantize int8", functools.partial(quantize, "int8"), True)
tries.add("quantize int4", functools.partial(quantize, "int4"))


@tries.right()
def quantize_float8():
    x = keras.Input((None, 16), name="x")
    model = keras.Model(x, layers.Dense(8)(x))
    model.quantize("float8")
    return Case(model, tolerance=1e-3)
