"""Settings that every family draws: dtype policy, mode of execution, values, derivatives."""

import dataclasses

import keras
import numpy as np
from hypothesis import strategies as st

from tests.fuzz.strategies import blocks, values

BACKEND = keras.backend.backend()
# Keras computes in float64 on TensorFlow only.
POLICIES = ["float32", "float64"] if BACKEND == "tensorflow" else ["float32"]
HALF = ["mixed_bfloat16", "mixed_float16"]
COMPILED = {
    "tensorflow": ["graph", "graph", "xla", "xla_unknown"],
    "jax": ["xla"],
    "torch": [],
}[BACKEND]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Setting:
    """The part of a case that all families share.

    policy: Dtype policy. mode: "eager"; "graph" with unknown sizes; "xla"; "xla_unknown", compiled
    with sizes that are unknown while the graph is made. values, weights: Kinds of the numbers.
    blocks: Number of the block sizes, 0 = the package's own. order: Highest derivative to check.
    batch: Number of sequences. seed: Seed of all numbers.
    """

    policy: str = "float32"
    mode: str = "eager"
    values: str = "normal"
    weights: str = "normal"
    blocks: int = 1
    order: int = 0
    batch: int = 1
    seed: int = 0

    def rng(self, purpose=0):
        """Return a generator for one purpose."""
        return np.random.default_rng([self.seed, purpose])

    def draw(self, rng, *shape):
        """Return inputs of the case's kind and dtype."""
        return values.draw(self.values, rng, shape, self.dtype)

    @property
    def dtype(self):
        """The compute dtype."""
        return self.policy.removeprefix("mixed_")

    @property
    def is_half(self):
        return self.policy.startswith("mixed")

    @property
    def is_smooth(self):
        return self.values in values.SMOOTH and self.weights in values.SMOOTH


@dataclasses.dataclass(frozen=True, kw_only=True)
class QueryValueCase(Setting):
    """The part of a case that all layers with one query, value and key share.

    inputs: "self", "pair", "triple", or "single" for a query without an axis of its own. shared:
    Whether the memory has a batch of 1. poison: Whether masked positions are NaN.
    """

    implementation: str = "plain"
    inputs: str = "pair"
    shared: bool = False
    queries: int = 1
    keys: int = 1
    width: int = 1
    query_mask: str = "none"
    key_mask: str = "none"
    pair_mask: str = "none"
    causal: bool = False
    dropout: bool = False
    return_weights: bool = True
    poison: bool = False


def settings(compiled, max_order=2, half=True):
    """Return the strategies of a `Setting`'s fields.

    Args:
        compiled: Share of the cases that are compiled, in percent.
        max_order: Highest derivative.
        half: Whether half-precision policies are drawn.
    """
    if BACKEND != "tensorflow":
        max_order = min(max_order, 1)
    count = len(COMPILED) and round(100 * compiled)
    modes = ["eager"] * (100 - count) + [COMPILED[i % len(COMPILED)] for i in range(count)]
    orders = [0, 0, 1, 1, 1, 2] if max_order == 2 else [0, 0, 1][: max_order + 2]
    return {
        "policy": st.sampled_from(POLICIES * 2 + (HALF if half else [])),
        "mode": st.sampled_from(modes),
        "values": values.kinds(),
        "weights": st.sampled_from(["normal"] * 6 + ["ties", "zeros"]),
        "blocks": blocks.blocks(),
        "order": st.sampled_from(orders),
        "batch": st.integers(1, 3),
        "seed": st.integers(0, 2**16),
    }


def lengths(maximum=9):
    """Draw the length of a sequence."""
    return st.integers(1, maximum)


def widths():
    """Draw a width."""
    return st.integers(1, 5)
