"""Layer, inputs and kinds of masks for the tests of banded local attention."""

import keras
import numpy as np
from keras import ops

from keras_attention import LocalAttention
from keras_attention.testing.backends import compile_function

BATCH, WIDTH = 3, 5
RNG = np.random.default_rng(0)
KINDS = [
    "none",
    "right",
    "left right",
    "holes",
    "empty row",
    "causal",
    "left causal holes",
    "pairs",
]
KINDS += ["queries left", "pairs causal right empty row"]


def numpy(x):
    return ops.convert_to_numpy(x)


def evaluate_calls(layer, data, *calls):
    """Call a layer once with each dict of options; return the results as numpy arrays.

    On JAX, which compiles each eager operation separately, all calls are one compiled program.
    """

    def run(*data):
        return [layer(list(data), **options) for options in calls]

    run = compile_function(run) if keras.backend.backend() == "jax" else run
    return keras.tree.map_structure(numpy, run(*data))


def sample_inputs(queries, keys):
    return [RNG.normal(size=(BATCH, n, WIDTH)).astype("float32") for n in (queries, keys)]


def make_masks(kind, queries, keys):
    """Return the mask arguments of a call, and the masks of queries and keys."""
    masks = [np.ones((BATCH, n), bool) for n in (queries, keys)]
    for n, mask in zip((queries, keys), masks, strict=True):
        if "right" in kind:
            mask[1, -(n // 3) - 1 :] = False
        if "left" in kind:
            mask[0, : n // 3] = False
        if "holes" in kind:
            mask &= RNG.random((BATCH, n)) < 0.7
        if "empty row" in kind:
            mask[2] = False
    options = {"use_causal_mask": "causal" in kind}
    if kind != "none":
        options["mask"] = [masks[0], None if kind == "queries left" else masks[1]]
    if "pairs" in kind:
        options["attention_mask"] = RNG.random((BATCH, queries, keys)) < 0.6
    return options, masks


def build_layer(score, window, **options):
    """Return a local-m layer whose weights are seeded random numbers."""
    layer = LocalAttention(window, "monotonic", score, units=3, **options)
    layer(sample_inputs(2, 3))
    rng = np.random.default_rng(1)
    layer.set_weights([rng.normal(size=w.shape) for w in layer.weights])
    return layer


def count_positions(query_mask):
    return np.maximum(np.cumsum(query_mask, axis=-1) - 1, 0)
