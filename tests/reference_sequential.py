"""Attention that depends on the previous weights, in float64 and plain loops, for one sequence.

Independent of the package. Shapes: query (Tq, Dq), key (Tk, Dk), value (Tk, Dv), mask (Tq, Tk)."""

import itertools
import math

import numpy as np

from tests import reference


def sigmoid(x):
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def softmax(scores, visible):
    """Softmax of the visible scores; zeros if there are none."""
    kept = [s for s, v in zip(scores, visible, strict=True) if v]
    if not kept:
        return np.zeros(len(scores))
    top = max(kept)
    parts = [math.exp(s - top) if v else 0.0 for s, v in zip(scores, visible, strict=True)]
    return np.array(parts) / sum(parts)


def smooth(scores, visible):
    """Chorowski et al. (2015), equation 11."""
    parts = [sigmoid(s) if v else 0.0 for s, v in zip(scores, visible, strict=True)]
    return np.array(parts) / (sum(parts) or 1.0)


def location_aware(query, key, value, mask, weights, first, normalize=softmax, sharpness=1.0):
    """Chorowski et al. (2015), equations 8 to 11; `weights` in the layer's order, without bias.

    `first`: the weights before the first query. Returns contexts and weights.
    """
    query_kernel, key_kernel, scale, filters, location_kernel = weights
    width, channels, count = filters.shape
    previous, total = np.array(first, "float64"), np.zeros(len(key))
    contexts, rows = [], []
    for q, visible in zip(query, mask, strict=True):
        seen = [previous, total][:channels]
        scores = []
        for j, k in enumerate(key):
            filtered = np.zeros(count)
            for offset, channel in itertools.product(range(width), range(channels)):
                source = j + offset - width // 2
                if 0 <= source < len(key):
                    filtered += filters[offset, channel] * seen[channel][source]
            hidden = reference.times(q, query_kernel) + reference.times(k, key_kernel)
            hidden = reference.tanh(hidden + reference.times(filtered, location_kernel))
            scores.append(sharpness * reference.inner(scale, hidden))
        row = normalize(scores, visible)
        if any(visible):
            previous, total = row, total + row
        rows.append(row)
        contexts.append(sum(w * np.asarray(v, "float64") for w, v in zip(row, value, strict=True)))
    return np.array(contexts), np.array(rows)


def monotonic(scores, visible, previous):
    """Raffel et al. (2017), equation 8: the sum over all earlier keys of the previous query."""
    chosen = [sigmoid(s) if v else 0.0 for s, v in zip(scores, visible, strict=True)]
    weights = []
    for j, p in enumerate(chosen):
        reached, passed = 0.0, 1.0  # `passed`: that none of the keys from k to j - 1 is chosen
        for k in range(j, -1, -1):
            reached += previous[k] * passed
            passed *= 1 - chosen[k - 1]
        weights.append(p * reached)
    return np.array(weights)


def monotonic_hard(scores, visible, previous):
    """Raffel et al. (2017), algorithm 1: the first key of positive score from the previous one."""
    weights = np.zeros(len(scores))
    start = next((j for j, p in enumerate(previous) if p > 0), len(scores))
    for j in range(start, len(scores)):
        if visible[j] and scores[j] > 0:
            weights[j] = 1.0
            break
    return weights


def chunkwise(scores, visible, ends, width):
    """Chiu, Raffel (2018): for each possible end, a softmax over the chunk up to it."""
    weights = np.zeros(len(scores))
    for end, probability in enumerate(ends):
        start = max(0, end - width + 1)
        chunk = slice(start, end + 1)
        weights[chunk] += probability * softmax(scores[chunk], visible[chunk])
    return weights


def monotonic_attention(energies, scores, mask, value, width, is_hard):
    """Run the queries in order; `scores` are those of the chunks. Returns contexts and weights."""
    previous = np.zeros(len(value))
    visible_keys = np.asarray(mask).any(axis=0)
    if visible_keys.any():
        previous[visible_keys.argmax()] = 1.0
    contexts, rows = [], []
    for energy, score, visible in zip(energies, scores, mask, strict=True):
        ends = (monotonic_hard if is_hard else monotonic)(energy, visible, previous)
        previous = ends if ends.any() else previous
        row = ends if width == 1 else chunkwise(score, visible, ends, width)
        rows.append(row)
        contexts.append(sum(w * np.asarray(v, "float64") for w, v in zip(row, value, strict=True)))
    return np.array(contexts), np.array(rows)
