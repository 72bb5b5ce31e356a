"""The papers' formulas in float64 and plain Python loops, for one sequence without a batch axis.

Nothing here knows of the package: query (Tq, Dq), key (Tk, Dk), value (Tk, Dv), mask (Tq, Tk)."""

import math

import numpy as np


def each(function, *batches):
    """The function's results for every sequence of a batch, stacked."""
    results = [function(*rows) for rows in zip(*batches, strict=True)]
    if isinstance(results[0], tuple):
        return tuple(np.stack(parts) for parts in zip(*results, strict=True))
    return np.stack(results)


def inner(a, b):
    """a . b."""
    return sum(float(x) * float(y) for x, y in zip(a, b, strict=True))


def times(vector, matrix):
    """The row vector `vector @ matrix`."""
    return np.array([inner(vector, column) for column in np.asarray(matrix).T])


def tanh(vector):
    return np.array([math.tanh(x) for x in vector])


def pairs(score, query, key):
    """The score of every query with every key."""
    return np.array([[score(q, k) for k in key] for q in query], "float64")


# Scores.


def dot(query, key):
    """Luong et al. (2015): q . k."""
    return pairs(inner, query, key)


def scaled_dot(query, key):
    """Vaswani et al. (2017): q . k / sqrt(d)."""
    return pairs(lambda q, k: inner(q, k) / math.sqrt(len(q)), query, key)


def general(query, key, kernel):
    """Luong et al. (2015): q^T W k."""
    return pairs(lambda q, k: inner(times(q, kernel), k), query, key)


def additive(query, key, query_kernel, key_kernel, scale, bias=None):
    """Bahdanau et al. (2015): v . tanh(q W + k U + b)."""
    bias = np.zeros(len(scale)) if bias is None else bias

    def score(q, k):
        return inner(scale, tanh(times(q, query_kernel) + times(k, key_kernel) + bias))

    return pairs(score, query, key)


def cosine(query, key, strength):
    """Graves et al. (2014): beta q . k / (|q| |k|)."""

    def angle(q, k):
        return inner(q, k) / math.sqrt(inner(q, q) * inner(k, k))

    return strength * pairs(angle, query, key)


def location(query, key, kernel):
    """Luong et al. (2015): (q W)_j, nothing beyond the positions that W knows."""
    known = min(len(key), np.shape(kernel)[1])
    return np.array([times(q, kernel)[:known] for q in query])


# Masks.


def causal(queries, keys):
    """The last query sees the last key, the one before it all but the last, ..."""
    return np.array([[keys - j >= queries - i for j in range(keys)] for i in range(queries)])


def window(queries, keys, width):
    """The last query stands at the last key; `width` keys on either side are seen."""

    def sees(i, j):
        distance = (keys - 1 - j) - (queries - 1 - i)
        return -width <= distance <= width

    return np.array([[sees(i, j) for j in range(keys)] for i in range(queries)])


# Weights of one row; a row that sees nothing weighs nothing.


def row_by_row(weigh, scores, mask=None):
    """`weigh(visible scores)` put back in their places, zeros elsewhere."""
    weights = np.zeros(np.shape(scores))
    for i, row in enumerate(scores):
        seen = [j for j in range(len(row)) if mask is None or mask[i][j]]
        for j, weight in zip(seen, weigh([float(row[j]) for j in seen]), strict=True):
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
        too_much = sum(max(score - tau, 0) for score in row) > 1
        low, high = (tau, high) if too_much else (low, tau)
    return [max(score - low, 0) for score in row]


def hardmax(row):
    """1 for the first of the best."""
    return [float(j == row.index(max(row))) for j in range(len(row))]


# Reading.


def weighted_sum(weights, value):
    """c_i = sum_j a_ij v_j."""
    return np.array([times(row, value) for row in weights])


def select(weights, value):
    """The value with the highest weight."""
    return np.array([value[list(row).index(max(row))] * (max(row) > 0) for row in weights])


def attention(scores, value, mask=None, weigh=softmax):
    """Context and weights."""
    weights = row_by_row(weigh, scores, mask)
    return weighted_sum(weights, value), weights
