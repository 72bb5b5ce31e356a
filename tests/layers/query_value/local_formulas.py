"""Local attention for the tests: layers, data, and what the formulas give for their weights."""

import numpy as np
from keras import ops

from keras_attention import LocalAttention
from tests import reference, reference_local
from tests.reference_recurrent import attentional_vector

BATCH, QUERIES, KEYS, WIDTH = 3, 5, 13, 3
RNG = np.random.default_rng(0)
QUERY = RNG.normal(size=(BATCH, QUERIES, WIDTH)).astype("float32")
VALUE = RNG.normal(size=(BATCH, KEYS, WIDTH)).astype("float32")
# A whole sentence; one with padding on both sides and a hole; a short one.
KEY_MASK = np.ones((BATCH, KEYS), bool)
KEY_MASK[1, :3] = KEY_MASK[1, 11:] = KEY_MASK[1, 6] = KEY_MASK[2, 4:] = False
SCORES = {"dot": reference.dot, "general": reference.general, "concat": reference.additive}
ALIGNMENTS = ["predictive", "monotonic"]


def numpy(x):
    return ops.convert_to_numpy(x)


def built(alignment="predictive", score="general", window=2, dtype="float32", **options):
    """A layer whose weights are seeded numbers, none of them special."""
    layer = LocalAttention(window, alignment, score, dtype=dtype, **options)
    layer([QUERY, VALUE])
    rng = np.random.default_rng(1)
    layer.set_weights([rng.normal(size=w.shape) for w in layer.weights])
    return layer


def pairs(key_mask=KEY_MASK, queries=QUERIES):
    """The mask of pairs that a mask of keys stands for."""
    return np.repeat(key_mask[:, None], queries, 1)


def formula(layer, query, value, mask, weights, positions=None):
    """One sequence: what is read, and its weights."""
    weights = list(weights)
    kernel = weights.pop(0) if layer.units else None
    is_predicted = layer.alignment == "predictive"
    if is_predicted:
        positions = reference_local.predicted(query, mask, weights.pop(0), weights.pop(0))
    elif positions is None:
        positions = range(len(query))
    scores = SCORES[layer.score_name](query, value, *weights)
    options = (layer.window, is_predicted, layer.renormalize and is_predicted)
    context, found = reference_local.local(scores, value, mask, positions, *options)
    if kernel is not None:
        vectors = zip(context, query, strict=True)
        context = np.array([attentional_vector(c, q, kernel) for c, q in vectors])
    return context, found


def expected(layer, query=QUERY, value=VALUE, mask=None, positions=None):
    """The same for a batch."""
    weights = [numpy(w).astype("float64") for w in layer.weights]
    mask = pairs() if mask is None else mask
    positions = [None] * len(query) if positions is None else positions
    return reference.each(
        lambda q, v, m, p: formula(layer, q, v, m, weights, p), query, value, mask, positions
    )


def assert_close(found, wanted, tolerance=1e-5):
    for got, want in zip(found, wanted, strict=True):
        np.testing.assert_allclose(numpy(got), want, rtol=tolerance, atol=tolerance)
