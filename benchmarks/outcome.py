"""Numbers against a limit: met, not met, or not known."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Outcome:
    """A goal in words, what was measured, and "met", "not met" or why nobody knows."""

    text: str
    measured: str
    verdict: str


def at_least(text, values, limit):
    """Met if the smallest of the values is as large; where one is missing nobody knows."""
    known = [value for value in values if value]
    if not known:
        return Outcome(text, "", "not measured")
    measured = f"{min(known):.2f}"
    if min(known) < limit:
        return Outcome(text, measured, "**not met**")
    if len(known) < len(values):
        return Outcome(text, f"{measured} at {len(known)} of {len(values)} lengths", "not measured")
    return Outcome(text, measured, "met")


def at_most(text, value, limit):
    """Met if the value is as small."""
    if value is None:
        return Outcome(text, "", "not measured")
    return Outcome(text, f"{value:.3g}", "met" if value <= limit else "**not met**")


def quotient(ours, theirs):
    """Ours by theirs, None where one is missing."""
    return None if ours is None or not theirs else ours / theirs


def exponent(points):
    """The slope of a line through points `(log x, log y)`; None for fewer than two."""
    if len(points) < 2:
        return None
    x_mean, y_mean = (sum(axis) / len(points) for axis in zip(*points, strict=True))
    products = sum((x - x_mean) * (y - y_mean) for x, y in points)
    return products / sum((x - x_mean) ** 2 for x, _ in points)
