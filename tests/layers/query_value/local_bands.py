"""Layers, inputs and masks of every kind for the tests of local attention in bands."""

import keras
import numpy as np
from keras import ops

from keras_attention import LocalAttention
from keras_attention.testing.backends import compile_function

BATCH, WIDTH = 3, 5
RNG = np.random.default_rng(0)
KINDS = ["none", "right", "left right", "holes", "nothing", "causal", "left causal holes", "pairs"]
KINDS += ["queries left", "pairs causal right nothing"]


def numpy(x):
    return ops.convert_to_numpy(x)


def evaluate(layer, data, *calls):
    """Return the results of calls with different options, as numpy arrays.

    On JAX they are one program, because it compiles each eager operation.
    """

    def run(*data):
        return [layer(list(data), **options) for options in calls]

    run = compile_function(run) if keras.backend.backend() == "jax" else run
    return keras.tree.map_structure(numpy, run(*data))


def inputs(queries, keys):
    return [RNG.normal(size=(BATCH, n, WIDTH)).astype("float32") for n in (queries, keys)]


def masks(kind, queries, keys):
    """Return the mask arguments of a call, and which queries and keys are real."""
    real = [np.ones((BATCH, n), bool) for n in (queries, keys)]
    for n, mask in zip((queries, keys), real, strict=True):
        if "right" in kind:
            mask[1, -(n // 3) - 1 :] = False
        if "left" in kind:
            mask[0, : n // 3] = False
        if "holes" in kind:
            mask &= RNG.random((BATCH, n)) < 0.7
        if "nothing" in kind:
            mask[2] = False
    options = {"use_causal_mask": "causal" in kind}
    if kind != "none":
        options["mask"] = [real[0], None if kind == "queries left" else real[1]]
    if "pairs" in kind:
        options["attention_mask"] = RNG.random((BATCH, queries, keys)) < 0.6
    return options, real


def layers(score, window, **options):
    layer = LocalAttention(window, "monotonic", score, units=3, **options)
    layer(inputs(2, 3))
    rng = np.random.default_rng(1)
    layer.set_weights([rng.normal(size=w.shape) for w in layer.weights])
    return layer


def count_positions(real):
    return np.maximum(np.cumsum(real, axis=-1) - 1, 0)
