"""Dot-product attention in float64 loops, and the masks that every kernel is tested with."""

import numpy as np

BATCH, HEADS, GROUPS, QUERIES, KEYS, WIDTH, VALUE_WIDTH = 2, 4, 2, 7, 11, 3, 5
RNG = np.random.default_rng(0)
QUERY = RNG.normal(size=(BATCH, HEADS, QUERIES, WIDTH)).astype("float32")
KEY = RNG.normal(size=(BATCH, GROUPS, KEYS, WIDTH)).astype("float32")
VALUE = RNG.normal(size=(BATCH, GROUPS, KEYS, VALUE_WIDTH)).astype("float32")
KEY_MASK = RNG.random((BATCH, KEYS)) < 0.6
KEY_MASK[0, :5] = False  # With a causal mask the first query of this sequence is masked.
KEY_MASK[1, 0] = True
PAIRS = RNG.random((BATCH, QUERIES, KEYS)) < 0.6
PAIRS[1, 3] = False  # a fully masked query
QUERY_MASK = RNG.random((BATCH, QUERIES)) < 0.6
QUERY_MASK[:, -2] = False
CASES = {
    "all": {},
    "queries": {"query_mask": QUERY_MASK},
    "padding": {"key_mask": KEY_MASK},
    "pairs": {"pairs": PAIRS},
    "pairs_shared_by_sequences": {"pairs": PAIRS[0]},
    "row_shared_by_queries": {"pairs": PAIRS[:, :1]},
    "causal": {"causal": True},
    "causal_and_padding": {"causal": True, "key_mask": KEY_MASK},
    "window": {"window": 1},
    "window_and_pairs": {"window": 2, "pairs": PAIRS},
    "causal_window": {"window": 2, "causal": True, "key_mask": KEY_MASK},
}


def visible_pairs(
    queries, keys, query_mask=None, key_mask=None, pairs=None, causal=False, window=None
):
    """Return the boolean mask `(batch, queries, keys)`, computed pair by pair."""
    visible = np.ones((BATCH, queries, keys), bool)
    for b, i, j in np.ndindex(visible.shape):
        query_position = i + keys - queries
        if query_mask is not None:
            visible[b, i, j] &= query_mask[b, i]
        if key_mask is not None:
            visible[b, i, j] &= key_mask[b, j]
        if pairs is not None:
            visible[b, i, j] &= np.broadcast_to(pairs, visible.shape)[b, i, j]
        visible[b, i, j] &= not causal or j <= query_position
        visible[b, i, j] &= window is None or abs(j - query_position) <= window
    return visible


def attention(query, key, value, visible, keep=None, rate=0.0, bias=0.0):
    """Compute the context in loops over sequences, heads and queries."""
    query, key, value = (np.asarray(x, "float64") for x in (query, key, value))
    heads_per_group = query.shape[1] // key.shape[1]
    bias = np.broadcast_to(np.asarray(bias, "float64"), (*query.shape[:3], key.shape[2]))
    context = np.zeros((*query.shape[:3], value.shape[3]))
    for b, h, i in np.ndindex(query.shape[:3]):
        keys = np.flatnonzero(visible[b, i])
        if not len(keys):
            continue
        scores = key[b, h // heads_per_group, keys] @ query[b, h, i] + bias[b, h, i, keys]
        weights = np.exp(scores - scores.max())
        weights = weights / weights.sum()
        if keep is not None:
            weights = weights * keep[b, h, i, keys] / (1 - rate)
        context[b, h, i] = weights @ value[b, h // heads_per_group, keys]
    return context
