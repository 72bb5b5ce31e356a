"""Integrated gradients and SmoothGrad: averages of gradients at several points."""

import secrets
from collections.abc import Callable, Sequence

import numpy as np
from keras import ops

from keras_attention.kernels.gradients import sum_over
from keras_attention.types import Tensor

Gradient = Callable[[list[Tensor]], list[Tensor]]


def multiply(points: Sequence[Tensor], gradients: Sequence[Tensor]) -> list[Tensor]:
    """Return the products of points and gradients, float32."""
    return [ops.cast(x, "float32") * g for x, g in zip(points, gradients, strict=True)]


def integrate(
    compute: Gradient, points: Sequence[Tensor], baselines: Sequence[Tensor], steps: int
) -> list[Tensor]:
    """Return integrated gradients, by the midpoint rule.

    Args:
        compute: Function of points that returns their gradients, float32.
        points: Floating-point tensors.
        baselines: Tensors of the same shapes, where the way to the points begins.
        steps: Number of parts of the way.
    """
    ways = [x - start for x, start in zip(points, baselines, strict=True)]

    def compute_at(step):
        share = (ops.cast(step, "float32") + 0.5) / steps
        pairs = zip(baselines, ways, strict=True)
        return compute([start + ops.cast(share, way.dtype) * way for start, way in pairs])

    totals = sum_over(compute_at, steps, [ops.zeros_like(x, "float32") for x in points])
    return multiply(ways, [total / steps for total in totals])


class NoiseGenerators:
    """Random generators of the examples, so that their noise does not depend on the batch size.

    Args:
        seed: Integer, or None for a random one.
    """

    def __init__(self, seed: int | None = None):
        self.seed = secrets.randbits(64) if seed is None else seed

    def select(self, rows: slice) -> list[np.random.Generator]:
        """Return the generators of some examples."""
        return [np.random.default_rng([self.seed, n]) for n in range(rows.start, rows.stop)]


def smooth(
    compute: Gradient,
    points: Sequence[Tensor],
    noise: float,
    samples: int,
    generators: Sequence[np.random.Generator],
) -> list[Tensor]:
    """Return the mean of the gradients at `samples` noisy copies of the points.

    Args:
        compute: Function of points that returns their gradients, float32.
        points: Floating-point tensors `(batch, ...)`.
        noise: Standard deviation of the noise, as a share of each example's range.
        samples: Number of copies.
        generators: A generator for each example.
    """
    axes = [tuple(range(1, len(x.shape))) for x in points]
    ranges = [
        ops.max(x, axis=axis, keepdims=True) - ops.min(x, axis=axis, keepdims=True)
        for x, axis in zip(points, axes, strict=True)
    ]

    def draw(x):
        values = [rng.standard_normal(x.shape[1:], "float32") for rng in generators]
        return ops.cast(np.stack(values), x.dtype)

    totals = [ops.zeros_like(x, "float32") for x in points]
    for _ in range(samples):
        copies = [x + noise * r * draw(x) for x, r in zip(points, ranges, strict=True)]
        totals = [total + g for total, g in zip(totals, compute(copies), strict=True)]
    return [total / samples for total in totals]
