"""Arrays by kind and seed, so that hypothesis draws little and reproducing code is short."""

import numpy as np
from hypothesis import strategies as st

KINDS = ("normal", "ties", "quotients", "equal", "zeros", "outlier", "large", "tiny")
# Kinds at whose values all formulas are differentiable, also the rectifier and the maximum.
SMOOTH = ("normal",)
LARGE, LARGE_HALF = 1e4, 1e2  # float16 ends at 65504, also for products with weights


def kinds():
    """Draw a kind of values, ordinary numbers most often."""
    return st.sampled_from(["normal"] * 4 + list(KINDS[1:]))


def draw(kind, rng, shape, policy="float32"):
    """Return an array of the kind.

    Args:
        kind: One of `KINDS`.
        rng: A numpy generator.
        shape: Shape of the array.
        policy: Dtype policy, which bounds the large numbers.
    """
    normal = rng.normal(size=shape)
    if not normal.size:
        return normal
    large = LARGE_HALF if "float16" in policy and "b" not in policy else LARGE
    if kind == "ties":
        return rng.integers(-1, 3, size=shape).astype("float64")
    if kind == "quotients":
        divisor = rng.integers(2, 8)
        return rng.integers(0, divisor + 1, size=shape) / divisor
    if kind == "equal":  # all positions of all sequences are the same vector
        return np.broadcast_to(normal.reshape(-1, shape[-1])[0], shape).copy() if shape else normal
    if kind == "outlier":
        normal.reshape(-1, shape[-1] if shape else 1)[-1] *= large
        return normal
    return normal * {"zeros": 0.0, "large": large, "tiny": 1e-30}.get(kind, 1.0)


def round_to(x, dtype):
    """Return `x` in float64, rounded to what the dtype can hold."""
    if dtype == "bfloat16":
        import ml_dtypes

        dtype = ml_dtypes.bfloat16
    return np.asarray(x, dtype).astype("float64")
