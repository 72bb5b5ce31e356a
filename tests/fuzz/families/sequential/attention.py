"""The options of the two mechanisms, their layers and their equations."""

import dataclasses

from hypothesis import strategies as st

import keras_attention as ka
from tests.fuzz.families.dropout import RATE
from tests.fuzz.references import sequential as equations
from tests.fuzz.references.query_value import WEIGH


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """The options of both mechanisms.

    mechanism: "location_aware" or "monotonic". filters, filter_width, normalize, sharpness, window,
    cumulative, start, use_bias: Those of `LocationAwareAttention`. score, normalized, chunk,
    inference: Those of `MonotonicAttention`.
    """

    mechanism: str = "monotonic"
    units: int | None = 3
    filters: int = 1
    filter_width: int = 1
    normalize: str = "softmax"
    sharpness: float = 1.0
    window: int | None = None
    cumulative: bool = False
    start: str | None = None
    use_bias: bool = False
    score: str = "additive"
    normalized: bool = False
    chunk: int = 1
    inference: str = "hard"

    @property
    def is_location_aware(self):
        return self.mechanism == "location_aware"

    @property
    def starts_at_first(self):
        return self.start == "first" or (self.start is None and self.window is not None)


LOCATION_AWARE = {
    "mechanism": st.just("location_aware"),
    "filters": st.integers(1, 3),
    "filter_width": st.sampled_from([1, 3, 3, 5, 11]),
    "normalize": st.sampled_from(["softmax", "smooth", "sparsemax"]),
    "sharpness": st.sampled_from([1.0, 2.0, 0.5]),
    "window": st.sampled_from([None, None, 1, 2, 4]),
    "cumulative": st.booleans(),
    "start": st.sampled_from([None, "first", "uniform"]),
    "use_bias": st.booleans(),
    "units": st.sampled_from([3, None, 1, 17]),
}
MONOTONIC = {
    "mechanism": st.just("monotonic"),
    "score": st.sampled_from(["additive", "general"]),
    "normalized": st.booleans(),
    "chunk": st.sampled_from([1, 1, 2, 3, 12]),
    "inference": st.sampled_from(["hard", "soft"]),
    "units": st.sampled_from([3, None, 1, 17]),
}


def complete_options(case):
    """Return the changes of a case whose options exclude one another."""
    if case.is_location_aware:
        return {"start": "first"} if case.window is not None and case.start == "uniform" else {}
    return {"units": None, "normalized": False} if case.score == "general" else {}


def make_layer(case, dropout=False, noise=1.0):
    """Return the layer of a case."""
    options = {"units": case.units, "dtype": case.policy}
    if case.is_location_aware:
        return ka.LocationAwareAttention(
            filters=case.filters,
            width=case.filter_width,
            normalize=case.normalize,
            sharpness=case.sharpness,
            window=case.window,
            cumulative=case.cumulative,
            start=case.start,
            use_bias=case.use_bias,
            dropout=RATE if dropout else 0.0,
            seed=case.seed,
            **options,
        )
    return ka.MonotonicAttention(
        case.score,
        normalized=case.normalized,
        noise=noise,
        chunk=case.chunk,
        inference=case.inference,
        **options,
    )


def make_equations(case, weights, is_training=False):
    """Return the equations of a case's layer with these weights, in the layer's order."""
    if case.is_location_aware:
        return equations.LocationAware(
            weights,
            WEIGH[case.normalize],
            case.sharpness,
            None if is_training else case.window,
            case.starts_at_first,
        )
    is_hard = case.inference == "hard" and not is_training
    score = "normalized_additive" if case.normalized else case.score
    return equations.Monotonic(weights, score, case.score, case.chunk, is_hard)
