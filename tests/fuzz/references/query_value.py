"""Attention of queries to keys, for a batch: scores, masks, weights, dropout, context, h~."""

import math

import numpy as np

from tests import reference
from tests.reference_recurrent import attentional_vector


def smooth(row):
    """Chorowski et al. (2015), equation 11, by logarithms: small sigmoids would all be 0."""
    return reference.softmax([min(x, 0.0) - math.log1p(math.exp(-abs(x))) for x in row])


WEIGH = {
    "softmax": reference.softmax,
    "sparsemax": reference.sparsemax,
    "hardmax": reference.hardmax,
    "smooth": smooth,
}


def cosine(query, key, raw_strength):
    """Graves et al. (2014), 5 and 6, with beta = 1 + softplus(raw); a zero vector scores 0.

    A vector shorter than 1e-6 is divided by 1e-6 instead of by its length.
    """

    def scale_to_unit(vector):
        return np.asarray(vector) / max(math.sqrt(reference.inner(vector, vector)), 1e-6)

    strength = 1 + np.logaddexp(0, float(raw_strength))
    return strength * reference.score_pairs(
        lambda q, k: reference.inner(scale_to_unit(q), scale_to_unit(k)), query, key
    )


def additive(query, key, query_kernel, key_kernel, scale, bias=None):
    return reference.additive(query, key, query_kernel, key_kernel, scale, bias)


def normalized_additive(query, key, query_kernel, key_kernel, scale, *others):
    """Additive, with the scale of Salimans, Kingma (2016), equation 2; `others`: bias and gain.

    A squared length below 1e-12 counts as 1e-12.
    """
    *bias, gain = others
    length = max(reference.inner(scale, scale), 1e-12) ** 0.5
    scale = gain * np.asarray(scale) / length
    return reference.additive(query, key, query_kernel, key_kernel, scale, *bias)


def location(query, key, kernel):
    """Luong et al. (2015), equation 8: (q W)_j; positions without a column have no score."""
    scores = np.full((len(query), len(key)), -np.inf)
    rows = reference.location(query, key, kernel)
    scores[:, : rows.shape[1]] = rows
    return scores


SCORES = {
    "additive": additive,
    "normalized_additive": normalized_additive,
    "concat": additive,
    "dot": reference.dot,
    "scaled_dot": reference.scaled_dot,
    "scale": lambda query, key, scale: scale * reference.dot(query, key),
    "general": reference.general,
    "scaled_general": lambda q, k, kernel, scale: scale * reference.general(q, k, kernel),
    "cosine": cosine,
    "location": location,
}


def visible_pairs(
    batch, queries, keys, query_mask=None, key_mask=None, pairs=None, causal=False, window=None
):
    """Return bool `(batch, queries, keys)`: all masks, combined by AND."""
    visible = np.ones((batch, queries, keys), bool)
    if pairs is not None:
        visible &= pairs
    if causal:
        visible &= reference.causal(queries, keys)
    if window is not None:
        visible &= reference.window(queries, keys, window)
    for b in range(batch):
        for i in range(queries):
            for j in range(keys):
                if query_mask is not None and not query_mask[b % len(query_mask)][i]:
                    visible[b, i, j] = False
                if key_mask is not None and not key_mask[b % len(key_mask)][j]:
                    visible[b, i, j] = False
    return visible


def attend(score, weigh, query, value, key, visible, keep=None):
    """Return contexts and weights of a batch; sequences of a batch of 1 serve all queries.

    Args:
        score: Function of one sequence's queries and keys.
        weigh: Function of a list of scores that returns a list of weights.
        query, value, key: `(batch, T, D)`.
        visible: Bool `(batch, Tq, Tk)`. A score of minus infinity is masked, too.
        keep: Factors of the weights, `(batch, Tq, Tk)`, or None.
    """
    contexts, weights = [], []
    for b, mask in enumerate(visible):
        q, v, k = (x[b % len(x)] for x in (query, value, key))
        scores = score(q, k)
        rows = reference.row_by_row(weigh, scores, mask & np.isfinite(scores))
        weights.append(rows)
        contexts.append(reference.weighted_sum(rows if keep is None else rows * keep[b], v))
    return np.array(contexts), np.array(weights)


def luong_vectors(contexts, query, kernel):
    """Luong et al. (2015), equation 5, for every query."""
    return np.array(
        [
            [
                attentional_vector(c, q, kernel)
                for c, q in zip(cs, query[b % len(query)], strict=True)
            ]
            for b, cs in enumerate(contexts)
        ]
    )


def zero_rows(outputs, mask):
    """Return the outputs with zeros where the mask is False."""
    return outputs if mask is None else np.where(mask[..., None], outputs, 0.0)
