"""Luong's local attention of a batch (2015, section 3.2): predictive and monotonic."""

import numpy as np

from tests import reference, reference_local
from tests.fuzz.references.query_value import SCORES


def count_positions(query_mask, batch, queries):
    """Return the position of each query: masked queries are not counted."""
    if query_mask is None:
        return [list(range(queries))] * batch
    return [[max(sum(row[: i + 1]) - 1, 0) for i in range(queries)] for row in query_mask]


def local(score, query, value, key, visible, positions, window, renormalize, weights, keep=None):
    """Return contexts and weights.

    Args:
        score: Name of the score.
        query, value, key: `(batch, T, D)`; a batch of 1 serves all queries.
        visible: Bool `(batch, Tq, Tk)`.
        positions: Centers of the windows for each sequence; None predicts them.
        window: Half width D.
        renormalize: Whether the rows of a predictive attention sum to 1.
        weights: [kernel, scale] of the prediction, if it is predicted, then those of the score.
        keep: Factors of the weights, or None.
    """
    weights, contexts, all_rows = list(weights), [], []
    prediction = [weights.pop(0), weights.pop(0)] if positions is None else None
    for b, mask in enumerate(visible):
        q, v, k = (x[b % len(x)] for x in (query, value, key))
        # Keys that no query may attend to, and queries without keys, are zeros.
        q, k, v = q * mask.any(1)[:, None], k * mask.any(0)[:, None], v * mask.any(0)[:, None]
        if prediction is None:
            centers = positions[b]
        else:
            centers = reference_local.predict_centers(q, mask, *prediction)
        scores = SCORES[score](q, k, *weights)
        options = window, prediction is not None, renormalize
        _, rows = reference_local.local(scores, v, mask, centers, *options)
        contexts.append(reference.weighted_sum(rows if keep is None else rows * keep[b], v))
        all_rows.append(rows)
    return np.array(contexts), np.array(all_rows)
