"""A table of the scores: constructors, inputs and formulas."""

import dataclasses
from collections.abc import Callable

import numpy as np
from keras import ops

from keras_attention import score
from tests import reference

BATCH, QUERIES, KEYS, QUERY_WIDTH, KEY_WIDTH = 2, 3, 7, 5, 11


@dataclasses.dataclass
class Row:
    """A score: `make(**options)` constructs it; `formula(query, key, *weights)` is its reference.

    equal_widths: True if query and key must have the same width.
    """

    make: Callable
    formula: Callable
    equal_widths: bool = False

    def arrays(self, dtype="float32", seed=0):
        """Return queries and keys."""
        rng = np.random.default_rng(seed)
        key_width = QUERY_WIDTH if self.equal_widths else KEY_WIDTH
        query = rng.normal(size=(BATCH, QUERIES, QUERY_WIDTH)).astype(dtype)
        return query, rng.normal(size=(BATCH, KEYS, key_width)).astype(dtype)

    def build(self, dtype="float32"):
        """Return a score whose weights are seeded random numbers."""
        layer = self.make(dtype=dtype)
        layer(*self.arrays(dtype))
        rng = np.random.default_rng(1)
        layer.set_weights([rng.normal(size=w.shape) for w in layer.get_weights()])
        return layer

    def compute_expected(self, layer, query, key):
        """Evaluate the formula with the weights of a score."""
        weights = [ops.convert_to_numpy(w).astype("float64") for w in layer.weights]
        return reference.for_each_sequence(lambda q, k: self.formula(q, k, *weights), query, key)


def compute_cosine(query, key, raw):
    return reference.cosine(query, key, 1 + np.log1p(np.exp(raw)))


def compute_normalized_additive(query, key, query_kernel, key_kernel, scale, gain, bias=None):
    """TensorFlow Addons' BahdanauAttention(normalize=True): v becomes g v / |v|."""
    length = np.sqrt(sum(component**2 for component in scale))
    scale = [gain * component / length for component in scale]
    return reference.additive(query, key, query_kernel, key_kernel, scale, bias)


ROWS = {
    "dot": Row(score.DotScore, reference.dot, True),
    "scaled_dot": Row(lambda **o: score.DotScore(scaled=True, **o), reference.scaled_dot, True),
    "dot_with_scale": Row(
        lambda **o: score.DotScore(use_scale=True, **o),
        lambda query, key, scale: scale * reference.dot(query, key),
        True,
    ),
    "general": Row(score.GeneralScore, reference.general),
    "general_with_scale": Row(
        lambda **o: score.GeneralScore(use_scale=True, **o),
        lambda query, key, kernel, scale: scale * reference.general(query, key, kernel),
    ),
    "additive": Row(lambda **o: score.AdditiveScore(units=3, **o), reference.additive),
    "additive_with_bias": Row(
        lambda **o: score.AdditiveScore(units=3, use_bias=True, **o), reference.additive
    ),
    "additive_normalized": Row(
        lambda **o: score.AdditiveScore(units=3, normalized=True, **o), compute_normalized_additive
    ),
    "additive_normalized_with_bias": Row(
        lambda **o: score.AdditiveScore(units=3, use_bias=True, normalized=True, **o),
        lambda q, k, wq, wk, scale, bias, gain: compute_normalized_additive(
            q, k, wq, wk, scale, gain, bias
        ),
    ),
    "cosine": Row(lambda **o: score.CosineScore(strength=3, **o), compute_cosine, True),
    "location": Row(lambda **o: score.LocationScore(max_length=13, **o), reference.location),
}
