"""The performance goals, and their evaluation with the results of a run."""

import math

from benchmarks.outcome import Outcome, check_at_least, check_at_most, divide, fit_exponent
from benchmarks.rows import OURS, get_peak_bytes, make_rows

KERAS_ADDITIVE, KERAS_HEADS = "keras AdditiveAttention", "keras MultiHeadAttention"
SDPA = "torch scaled_dot_product_attention"


class Measurements:
    """Access to the float32 measurements that the goals need.

    Args:
        cases: All cases of the run.
        results: `Results`.
    """

    def __init__(self, cases, results):
        self.results = results
        self.cases = [c for c in cases if c.measure == "time" and c.dtype == "float32"]

    def select_cases(self, family, step, backend, mode, has_length):
        """Return the cases with these properties and a length for which `has_length` is true."""
        expected = family, step, backend, mode
        cases = [c for c in self.cases if (c.family, c.step, c.backend, c.mode) == expected]
        return [case for case in cases if has_length(case.length)]

    def get_row(self, case, name):
        """Return a contestant's row of a case, or None."""
        rows = make_rows(case, self.results)
        return next((row for row in rows if row.contestant == name), None)

    def get_speed_ups(self, family, step, mode, has_length, name):
        """Return our speed-ups over a contestant on TensorFlow; None for lengths not measured."""
        cases = self.select_cases(family, step, "tensorflow", mode, has_length)
        rows = [self.get_row(case, name) for case in cases]
        return [row and row.speed_up for row in rows]

    def get_peak(self, family, step, mode, length, name):
        """Return the peak memory of a contestant on TensorFlow in bytes, or None."""
        cases = self.select_cases(family, step, "tensorflow", mode, length.__eq__)
        return get_peak_bytes(cases[0], name, self.results) if cases else None


def evaluate_goals(cases, results):
    """Return the `Outcome` of every goal."""
    measurements = Measurements(cases, results)
    return [
        *_evaluate_additive(measurements),
        *_evaluate_multi_head(measurements),
        *_evaluate_local(measurements),
    ]


def _evaluate_additive(measurements):
    for step, mode, factor in [
        ("forward", "xla", 12),
        ("forward", "plain", 4),
        ("training", "xla", 5),
        ("training", "plain", 4),
    ]:
        speed_ups = measurements.get_speed_ups("additive", step, mode, (256).__eq__, KERAS_ADDITIVE)
        text = f"AdditiveAttention ≥ {factor} × Keras's speed: {step}, {mode}, T=256"
        yield check_at_least(text, speed_ups, factor)
    speed_ups = measurements.get_speed_ups(
        "additive", "forward", "served", (256).__eq__, KERAS_ADDITIVE
    )
    text = "AdditiveAttention ≥ 4 × Keras's speed: exported, in the C++ loader, T=256"
    yield check_at_least(text, speed_ups, 4)
    yield _evaluate_long_additive(measurements)
    for step in ("forward", "training"):
        text = f"AdditiveAttention's peak ≤ 2 × LuongAttention's: {step}, xla, T=2048"
        ours, theirs = (
            measurements.get_peak("additive", step, "xla", 2048, name)
            for name in (OURS, "our LuongAttention")
        )
        yield check_at_most(text, divide(ours, theirs), 2)


def _evaluate_long_additive(measurements):
    """Evaluate additive attention at T=2048 in a plain graph, too long for Keras's layer."""
    text = "AdditiveAttention runs where each of Keras's tensors would have 34 GB: plain, T=2048"
    cases = measurements.select_cases("additive", "forward", "tensorflow", "plain", (2048).__eq__)
    if not cases:
        return Outcome(text, "", "not measured")
    ours, theirs = (measurements.get_row(cases[0], name) for name in (OURS, KERAS_ADDITIVE))
    if ours.times is None:
        return Outcome(text, ours.note, "**not met**")
    return Outcome(text, f"{ours.times.median:.2f} s; Keras's {theirs.note or 'ran too'}", "met")


def _evaluate_multi_head(measurements):
    speed_ups = measurements.get_speed_ups(
        "multi_head", "forward", "served", (2048).__eq__, KERAS_HEADS
    )
    text = "MultiHeadSelfAttention ≥ 2 × Keras's speed: exported, in the C++ loader, T=2048"
    yield check_at_least(text, speed_ups, 2)
    for mode in ("xla", "plain"):
        for condition, step, has_length, factor in [
            ("forward, T ≥ 2048", "forward", lambda t: t >= 2048, 2),
            ("forward, T ≤ 256", "forward", lambda t: t <= 256, 0.95),
            ("training, T ≥ 2048", "training", lambda t: t >= 2048, 1.5),
        ]:
            speed_ups = measurements.get_speed_ups(
                "multi_head", step, mode, has_length, KERAS_HEADS
            )
            text = f"MultiHeadSelfAttention ≥ {factor} × Keras's speed: {condition}, {mode}"
            yield check_at_least(text, speed_ups, factor)
        for step in ("forward", "training"):
            ours, theirs = (
                measurements.get_peak("multi_head", step, mode, 8192, name)
                for name in (OURS, KERAS_HEADS)
            )
            text = f"MultiHeadSelfAttention's peak ≤ 1/10 of Keras's: {step}, {mode}, T=8192"
            yield check_at_most(text, divide(ours, theirs), 0.1)
    yield _evaluate_against_torch(measurements)


def _evaluate_against_torch(measurements):
    """Compare our faster mode on TensorFlow with PyTorch's fused attention.

    The two times are measured in different processes.
    """
    text = "MultiHeadSelfAttention ≥ 0.9 × PyTorch's fused attention's speed: forward, T=2048"
    our_rows = [
        measurements.get_row(case, OURS)
        for mode in ("xla", "plain")
        for case in measurements.select_cases(
            "multi_head", "forward", "tensorflow", mode, (2048).__eq__
        )
    ]
    their_rows = [
        measurements.get_row(case, SDPA)
        for case in measurements.select_cases(
            "multi_head", "forward", "torch", "eager", (2048).__eq__
        )
    ]
    ours, theirs = (
        [row.times.median for row in rows if row.times] for rows in (our_rows, their_rows)
    )
    return check_at_least(text, [min(theirs) / min(ours)] if ours and theirs else [], 0.9)


def _evaluate_local(measurements):
    for mode in ("xla", "plain"):
        speed_ups = measurements.get_speed_ups(
            "local", "forward", mode, (4096).__eq__, "masked full matrix"
        )
        text = f"LocalAttention ≥ 10 × the masked full matrix's speed: forward, {mode}, T=4096"
        yield check_at_least(text, speed_ups, 10)
        text = f"LocalAttention's time grows as T^e, e ≤ 1.1: forward, {mode}, T ≥ 2048"
        yield check_at_most(text, _fit_growth(measurements, mode), 1.1)


def _fit_growth(measurements, mode):
    """Fit the exponent of T in the time of our local attention, by a line through logarithms."""
    cases = measurements.select_cases("local", "forward", "tensorflow", mode, lambda t: t >= 2048)
    rows = [(case.length, measurements.get_row(case, OURS)) for case in cases]
    points = [(math.log(t), math.log(row.times.median)) for t, row in rows if row.times]
    return fit_exponent(points)
