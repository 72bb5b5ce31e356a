"""The papers' formulas in float64 and plain Python loops, for one sequence without a batch axis.

Independent of the package. Shapes: query (Tq, Dq), key (Tk, Dk), value (Tk, Dv), mask (Tq, Tk)."""

import math
import operator

import numpy as np


def for_each_sequence(function, *batches):
    """Apply a function to every sequence of a batch and stack the results."""
    results = [function(*rows) for rows in zip(*batches, strict=True)]
    if isinstance(results[0], tuple):
        return tuple(np.stack(parts) for parts in zip(*results, strict=True))
    return np.stack(results)


def as_list(vector):
    """Return Python floats, because Python loops over numpy scalars are much slower."""
    return np.asarray(vector, "float64").tolist()


def inner(a, b):
    """Compute the dot product a . b."""
    return sum(x * y for x, y in zip(as_list(a), as_list(b), strict=True))


def times(vector, matrix):
    """Compute `vector @ matrix`."""
    vector = as_list(vector)
    columns = np.asarray(matrix, "float64").T.tolist()
    return np.array([sum(map(operator.mul, vector, column)) for column in columns])


def tanh(vector):
    return np.array([math.tanh(x) for x in as_list(vector)])


def score_pairs(score, query, key):
    """Compute the score of every query with every key."""
    return np.array([[score(q, k) for k in key] for q in query], "float64")


# Scores.


def dot(query, key):
    """Luong et al. (2015): q . k."""
    return score_pairs(inner, query, key)


def scaled_dot(query, key):
    """Vaswani et al. (2017): q . k / sqrt(d)."""
    return score_pairs(lambda q, k: inner(q, k) / math.sqrt(len(q)), query, key)


def general(query, key, kernel):
    """Luong et al. (2015): q^T W k."""
    return dot([times(q, kernel) for q in query], key)


def additive(query, key, query_kernel, key_kernel, scale, bias=None):
    """Bahdanau et al. (2015): v . tanh(q W + k U + b)."""
    bias = np.zeros(len(scale)) if bias is None else bias

    query = [times(q, query_kernel) + bias for q in query]
    key = [times(k, key_kernel) for k in key]
    return score_pairs(lambda q, k: inner(scale, tanh(q + k)), query, key)


def cosine(query, key, strength):
    """Graves et al. (2014): beta q . k / (|q| |k|)."""

    def angle(q, k):
        return inner(q, k) / math.sqrt(inner(q, q) * inner(k, k))

    return strength * score_pairs(angle, query, key)


def location(query, key, kernel):
    """Luong et al. (2015): (q W)_j, for the positions up to the number of columns of W."""
    positions = min(len(key), np.shape(kernel)[1])
    return np.array([times(q, kernel)[:positions] for q in query])


# Masks.


def causal(queries, keys):
    """All keys are visible to the last query, all but the last key to the query before it, ..."""
    return np.array([[keys - j >= queries - i for j in range(keys)] for i in range(queries)])


def window(queries, keys, width):
    """The last query is at the last key; `width` keys on either side are visible."""

    def is_visible(i, j):
        distance = (keys - 1 - j) - (queries - 1 - i)
        return -width <= distance <= width

    return np.array([[is_visible(i, j) for j in range(keys)] for i in range(queries)])


# Weights of one row; a fully masked row has no weights.


def row_by_row(weigh, scores, mask=None):
    """Normalize the visible scores of each row with `weigh`; masked positions get zero."""
    weights = np.zeros(np.shape(scores))
    for i, row in enumerate(scores):
        visible = [j for j in range(len(row)) if mask is None or mask[i][j]]
        for j, weight in zip(visible, weigh([float(row[j]) for j in visible]), strict=True):
            weights[i, j] = weight
    return weights


def softmax(row):
    """exp(s_j) / sum_k exp(s_k)."""
    exponentials = [math.exp(score - max(row)) for score in row]
    return [e / sum(exponentials) for e in exponentials]


def sparsemax(row):
    """Martins, Astudillo (2016): max(s_j - tau, 0) with the tau, by bisection, that sums to 1."""
    if not row:
        return []
    low, high = max(row) - 1, max(row)
    for _ in range(100):
        tau = (low + high) / 2
        is_above_one = sum(max(score - tau, 0) for score in row) > 1
        low, high = (tau, high) if is_above_one else (low, tau)
    return [max(score - low, 0) for score in row]


def hardmax(row):
    """1 for the highest score, the first one of equal scores."""
    return [float(j == row.index(max(row))) for j in range(len(row))]


# Context.


def weighted_sum(weights, value):
    """c_i = sum_j a_ij v_j."""
    return np.array([times(row, value) for row in weights])


def attention(scores, value, mask=None, weigh=softmax):
    """Return context and weights."""
    weights = row_by_row(weigh, scores, mask)
    return weighted_sum(weights, value), weights
