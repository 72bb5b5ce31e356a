"""Memory networks in float64 and plain loops, for one query. Independent of the package.

Shapes: query (D,), memories (S, D), mask (S,), H (D, D), embeddings (size, d).
"""

import numpy as np

from tests import reference
from tests.reference_sequential import softmax


def linear(scores, visible):
    """The scores of the visible places, 0 elsewhere."""
    return np.array([s if v else 0.0 for s, v in zip(scores, visible, strict=True)])


def hop(query, keys, values, visible, normalize=softmax):
    """Sukhbaatar et al. (2015), equations 1 and 2: context and weights."""
    weights = normalize([reference.inner(query, key) for key in keys], visible)
    context = np.zeros(values.shape[-1])
    for weight, value, v in zip(weights, values, visible, strict=True):
        if v:
            context += weight * value
    return context, weights


def adjacent(query, memories, visible, normalize=softmax):
    """Equation 4: the values of each hop are the keys of the next one."""
    rows = []
    for k in range(len(memories) - 1):
        context, weights = hop(query, memories[k], memories[k + 1], visible, normalize)
        query = query + context
        rows.append(weights)
    return query, np.stack(rows)


def layer_wise(query, keys, values, visible, matrix, hops, activation=lambda x: x):
    """Section 2.2: the query is multiplied by H after every hop."""
    rows = []
    for _ in range(hops):
        context, weights = hop(query, keys, values, visible)
        query = activation(reference.times(query, matrix) + context)
        rows.append(weights)
    return query, np.stack(rows)


def bag_of_words(ids, embeddings, encoding, length=None):
    """The sum of the words' vectors, weighted by section 4.1 or by the authors' code."""
    d = embeddings.shape[1]
    words = [id for id in ids if id]
    total = np.zeros(d)
    length = len(words) if length is None else length
    for j, id in enumerate(words, start=1):
        for k in range(1, d + 1):
            factor = 1.0
            if encoding == "authors":
                factor = 1 + 4 * (k - (d + 1) / 2) * (j - (length + 1) / 2) / (d * length)
            if encoding == "paper":
                factor = (1 - j / length) - (k / d) * (1 - 2 * j / length)
            total[k - 1] += factor * embeddings[id, k - 1]
    return total
