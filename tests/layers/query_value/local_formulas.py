"""Layers, inputs and expected outputs for the tests of local attention."""

import numpy as np
from keras import ops

from keras_attention import LocalAttention
from tests import reference, reference_local
from tests.reference_recurrent import attentional_vector

BATCH, QUERIES, KEYS, WIDTH = 3, 5, 13, 3
RNG = np.random.default_rng(0)
QUERY = RNG.normal(size=(BATCH, QUERIES, WIDTH)).astype("float32")
VALUE = RNG.normal(size=(BATCH, KEYS, WIDTH)).astype("float32")
# A sentence without padding; one with padding on both sides and a gap; a short one.
KEY_MASK = np.ones((BATCH, KEYS), bool)
KEY_MASK[1, :3] = KEY_MASK[1, 11:] = KEY_MASK[1, 6] = KEY_MASK[2, 4:] = False
SCORES = {"dot": reference.dot, "general": reference.general, "concat": reference.additive}
ALIGNMENTS = ["predictive", "monotonic"]


def numpy(x):
    return ops.convert_to_numpy(x)


def build(alignment="predictive", score="general", window=2, dtype="float32", **options):
    """Return a layer whose weights are seeded random numbers."""
    layer = LocalAttention(window, alignment, score, dtype=dtype, **options)
    layer([QUERY, VALUE])
    rng = np.random.default_rng(1)
    layer.set_weights([rng.normal(size=w.shape) for w in layer.weights])
    return layer


def expand_to_pairs(key_mask=KEY_MASK, queries=QUERIES):
    """Expand a mask of keys to a mask of pairs."""
    return np.repeat(key_mask[:, None], queries, 1)


def formula(layer, query, value, mask, weights, positions=None):
    """Return the context and the weights of one sequence."""
    weights = list(weights)
    kernel = weights.pop(0) if layer.units else None
    is_predicted = layer.alignment == "predictive"
    if is_predicted:
        positions = reference_local.predict_centers(query, mask, weights.pop(0), weights.pop(0))
    elif positions is None:
        positions = range(len(query))
    scores = SCORES[layer.score_name](query, value, *weights)
    options = (layer.window, is_predicted, layer.renormalize and is_predicted)
    context, results = reference_local.local(scores, value, mask, positions, *options)
    if kernel is not None:
        vectors = zip(context, query, strict=True)
        context = np.array([attentional_vector(c, q, kernel) for c, q in vectors])
    return context, results


def compute_expected(layer, query=QUERY, value=VALUE, mask=None, positions=None):
    """Return the contexts and the weights of a batch."""
    weights = [numpy(w).astype("float64") for w in layer.weights]
    mask = expand_to_pairs() if mask is None else mask
    positions = [None] * len(query) if positions is None else positions
    return reference.for_each_sequence(
        lambda q, v, m, p: formula(layer, q, v, m, weights, p), query, value, mask, positions
    )


def assert_close(results, expected_outputs, tolerance=1e-5):
    for result, correct in zip(results, expected_outputs, strict=True):
        np.testing.assert_allclose(numpy(result), correct, rtol=tolerance, atol=tolerance)
