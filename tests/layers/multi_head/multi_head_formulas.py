"""Inputs, layers with seeded weights, and expected outputs for multi-head tests."""

import numpy as np
from keras import ops

from tests import reference, reference_multi_head

RNG = np.random.default_rng(0)
QUERY = RNG.normal(size=(2, 3, 5)).astype("float32")
VALUE = RNG.normal(size=(2, 7, 11)).astype("float32")
KEY = RNG.normal(size=(2, 7, 2)).astype("float32")
X = RNG.normal(size=(2, 7, 5)).astype("float32")
MASK = RNG.random((2, 3, 7)) < 0.6
MASK[0, 1] = False


def numpy(x):
    return ops.convert_to_numpy(x)


def build_seeded(layer, *inputs, **options):
    """Build a layer by a call, and set seeded random weights."""
    layer(*inputs, **options)
    rng = np.random.default_rng(1)
    layer.set_weights([0.5 * rng.normal(size=w.shape) for w in layer.get_weights()])
    return layer


def kernels_and_biases(layer):
    """Return the weights as [query, key, value, output] x (kernel, bias or None)."""
    weights = [numpy(w).astype("float64") for w in layer.weights]
    if not layer.use_bias:
        return [(kernel, None) for kernel in weights]
    return list(zip(weights[0::2], weights[1::2], strict=True))


def compute_expected(layer, query, value, key, mask, weights=None, bias=None):
    """Return outputs and weights of a batch by the formulas of the papers."""
    weights = weights or kernels_and_biases(layer)

    def compute_sequence(query, value, key, mask, bias=None):
        return reference_multi_head.multi_head(
            query,
            key,
            value,
            weights,
            layer.num_heads,
            layer.num_key_value_heads,
            mask,
            getattr(layer, "rotary_base", None),
            bias,
        )

    return reference.for_each_sequence(
        compute_sequence, query, value, key, mask, *([] if bias is None else [bias])
    )
