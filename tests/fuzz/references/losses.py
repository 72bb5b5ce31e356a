"""Losses of attention weights, in loops over rows and keys."""

import math


def distance(kind, weights, target):
    """Return the loss of one row; 0 if all targets are 0.

    Args:
        kind: "squared" (Barrett et al. 2018, equation 11), "cross_entropy" or "divergence".
        weights, target: `(Tk,)`.
    """
    if not any(target):
        return 0.0
    total = 0.0
    for weight, goal in zip(weights, target, strict=True):
        if kind == "squared":
            total += (weight - goal) ** 2
            continue
        share = goal / sum(target)
        total -= share * math.log(max(weight, 1e-30))
        if kind == "divergence" and share > 0:
            total += share * math.log(share)
    return total
