"""Comparison of measured values with limits: met, not met, or not measured."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Outcome:
    """A goal's text, measured value, and verdict: "met", "**not met**" or "not measured"."""

    text: str
    measured: str
    verdict: str


def check_at_least(text, values, limit):
    """Return the outcome of a goal: every value is at least the limit. None: not measured."""
    measured_values = [value for value in values if value]
    if not measured_values:
        return Outcome(text, "", "not measured")
    minimum = min(measured_values)
    if minimum < limit:
        return Outcome(text, f"{minimum:.2f}", "**not met**")
    if len(measured_values) < len(values):
        measured = f"{minimum:.2f} at {len(measured_values)} of {len(values)} lengths"
        return Outcome(text, measured, "not measured")
    return Outcome(text, f"{minimum:.2f}", "met")


def check_at_most(text, value, limit):
    """Return the outcome of a goal: the value is at most the limit. None: not measured."""
    if value is None:
        return Outcome(text, "", "not measured")
    return Outcome(text, f"{value:.3g}", "met" if value <= limit else "**not met**")


def divide(ours, theirs):
    """Return ours / theirs, or None if one of them was not measured."""
    return None if ours is None or not theirs else ours / theirs


def fit_exponent(points):
    """Return the slope of a line fitted to points `(log x, log y)`; None for fewer than two."""
    if len(points) < 2:
        return None
    x_mean, y_mean = (sum(axis) / len(points) for axis in zip(*points, strict=True))
    products = sum((x - x_mean) * (y - y_mean) for x, y in points)
    return products / sum((x - x_mean) ** 2 for x, _ in points)
