"""The goals, and what the run says of each."""

import math

from benchmarks.outcome import Outcome, at_least, at_most, exponent, quotient
from benchmarks.rows import OURS, peak_of, rows_of

KERAS_ADDITIVE, KERAS_HEADS = "keras AdditiveAttention", "keras MultiHeadAttention"
SDPA = "torch scaled_dot_product_attention"


class Measured:
    """What the goals ask of a run.

    Args:
        cases: All cases of the run.
        results: `Results`.
    """

    def __init__(self, cases, results):
        self.results = results
        self.times = [c for c in cases if c.measure == "time" and c.dtype == "float32"]

    def cases(self, family, step, backend, mode, lengths):
        """Those of the run that are so."""
        wanted = family, step, backend, mode
        found = [c for c in self.times if (c.family, c.step, c.backend, c.mode) == wanted]
        return [case for case in found if lengths(case.length)]

    def row(self, case, name):
        """The row of a contestant, or None."""
        return next((r for r in rows_of(case, self.results) if r.contestant == name), None)

    def ratios(self, family, step, mode, lengths, other):
        """Of the other's time to ours, on TensorFlow; None where one of them was not measured."""
        cases = self.cases(family, step, "tensorflow", mode, lengths)
        rows = [self.row(case, other) for case in cases]
        return [row and row.ratio for row in rows]

    def peaks(self, family, step, mode, length, name):
        """Bytes, or None."""
        cases = self.cases(family, step, "tensorflow", mode, length.__eq__)
        return peak_of(cases[0], name, self.results) if cases else None


def outcomes(cases, results):
    """Every goal with its outcome."""
    m = Measured(cases, results)
    found = []
    for step, mode, factor in [
        ("forward", "xla", 12),
        ("forward", "plain", 4),
        ("training", "xla", 5),
        ("training", "plain", 4),
    ]:
        ratios = m.ratios("additive", step, mode, (256).__eq__, KERAS_ADDITIVE)
        text = f"AdditiveAttention ≥ {factor} × Keras's speed: {step}, {mode}, T=256"
        found.append(at_least(text, ratios, factor))
    ratios = m.ratios("additive", "forward", "served", (256).__eq__, KERAS_ADDITIVE)
    text = "AdditiveAttention ≥ 4 × Keras's speed: exported, in the C++ loader, T=256"
    found.append(at_least(text, ratios, 4))
    ratios = m.ratios("multi_head", "forward", "served", (2048).__eq__, KERAS_HEADS)
    text = "MultiHeadSelfAttention ≥ 2 × Keras's speed: exported, in the C++ loader, T=2048"
    found.append(at_least(text, ratios, 2))
    found.append(runs_alone(m))
    for step in ("forward", "training"):
        text = f"AdditiveAttention's peak ≤ 2 × LuongAttention's: {step}, xla, T=2048"
        peaks = [m.peaks("additive", step, "xla", 2048, n) for n in (OURS, "our LuongAttention")]
        found.append(at_most(text, quotient(*peaks), 2))
    for mode in ("xla", "plain"):
        for text, step, lengths, factor in [
            ("forward, T ≥ 2048", "forward", lambda t: t >= 2048, 2),
            ("forward, T ≤ 256", "forward", lambda t: t <= 256, 0.95),
            ("training, T ≥ 2048", "training", lambda t: t >= 2048, 1.5),
        ]:
            ratios = m.ratios("multi_head", step, mode, lengths, KERAS_HEADS)
            text = f"MultiHeadSelfAttention ≥ {factor} × Keras's speed: {text}, {mode}"
            found.append(at_least(text, ratios, factor))
        for step in ("forward", "training"):
            peaks = [m.peaks("multi_head", step, mode, 8192, n) for n in (OURS, KERAS_HEADS)]
            text = f"MultiHeadSelfAttention's peak ≤ 1/10 of Keras's: {step}, {mode}, T=8192"
            found.append(at_most(text, quotient(*peaks), 0.1))
    found.append(against_torch(m))
    for mode in ("xla", "plain"):
        ratios = m.ratios("local", "forward", mode, (4096).__eq__, "masked full matrix")
        text = f"LocalAttention ≥ 10 × the masked full form's speed: forward, {mode}, T=4096"
        found.append(at_least(text, ratios, 10))
        text = f"LocalAttention's time grows as T^e, e ≤ 1.1: forward, {mode}, T ≥ 2048"
        found.append(at_most(text, growth(m, mode), 1.1))
    return found


def runs_alone(m):
    """Additive attention at T=2048 in a plain graph, where Keras's cannot be held."""
    text = "AdditiveAttention runs where Keras's tensors have 34 GB each: plain, T=2048"
    cases = m.cases("additive", "forward", "tensorflow", "plain", (2048).__eq__)
    if not cases:
        return Outcome(text, "", "not measured")
    ours, theirs = (m.row(cases[0], name) for name in (OURS, KERAS_ADDITIVE))
    if ours.times is None:
        return Outcome(text, ours.note, "**not met**")
    return Outcome(text, f"{ours.times.median:.2f} s; Keras's {theirs.note or 'ran too'}", "met")


def against_torch(m):
    """The best of ours on TensorFlow against PyTorch's fused attention, across two processes."""
    text = "MultiHeadSelfAttention ≥ 0.9 × PyTorch's fused attention's speed: forward, T=2048"
    ours = [
        m.row(case, OURS)
        for mode in ("xla", "plain")
        for case in m.cases("multi_head", "forward", "tensorflow", mode, (2048).__eq__)
    ]
    theirs = [
        m.row(case, SDPA)
        for case in m.cases("multi_head", "forward", "torch", "eager", (2048).__eq__)
    ]
    ours, theirs = ([row.times.median for row in rows if row.times] for rows in (ours, theirs))
    return at_least(text, [min(theirs) / min(ours)] if ours and theirs else [], 0.9)


def growth(m, mode):
    """The exponent of T in our local attention's time, by least squares of logarithms."""
    cases = m.cases("local", "forward", "tensorflow", mode, lambda t: t >= 2048)
    rows = [(case.length, m.row(case, OURS)) for case in cases]
    points = [(math.log(t), math.log(row.times.median)) for t, row in rows if row.times]
    return exponent(points)
