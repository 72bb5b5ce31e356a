"""Luong's local attention (2015, section 3.2) in float64 and plain loops, for one sequence."""

import math

import numpy as np

from tests import reference
from tests.reference_recurrent import sigmoid


def find_sentence(mask):
    """Return the first and the last key that is visible to any query, or None."""
    visible = [j for j in range(np.shape(mask)[1]) if any(row[j] for row in mask)]
    return (visible[0], visible[-1]) if visible else None


def predict_centers(query, mask, kernel, scale):
    """Equation 9: p_t = S sigmoid(v . tanh(W h_t))."""
    first, last = find_sentence(mask) or (0, -1)
    hidden = [reference.tanh(reference.times(h, kernel)) for h in query]
    fractions = sigmoid([reference.inner(h, np.ravel(scale)) for h in hidden])
    return [(last - first + 1) * fraction for fraction in fractions]


def local(scores, value, mask, centers, width, has_gaussian, renormalize=False):
    """Equations 7 and 10: softmax in the window, times the Gaussian of sigma = D / 2."""
    first, last = find_sentence(mask) or (0, -1)
    weights = np.zeros(np.shape(scores))
    for t, center in enumerate(centers):
        window = [
            s
            for s in range(last - first + 1)
            if center - width <= s <= center + width and mask[t][first + s]
        ]
        if not window:
            continue
        best = max(scores[t][first + s] for s in window)
        exponentials = {s: math.exp(scores[t][first + s] - best) for s in window}
        total = sum(exponentials.values())
        for s in window:
            sigma = width / 2
            gaussian = math.exp(-((s - center) ** 2) / (2 * sigma**2)) if has_gaussian else 1
            weights[t, first + s] = exponentials[s] / total * gaussian
        if renormalize:
            weights[t] /= weights[t].sum()
    return reference.weighted_sum(weights, value), weights
