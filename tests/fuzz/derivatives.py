"""Compare first and second derivatives with central differences of the equations."""

import collections

import numpy as np

GRADIENT_TOLERANCE = {"float64": 1e-5, "float32": 3e-3}
MIN_OVERFLOW = 30_000  # half of the largest float16, because partial sums may exceed the sum


def draw_directions(rng, floats, variables, dtype="float64"):
    """Draw a direction for each float input and each variable, by name."""
    shapes = {k: v.shape for k, v in floats.items()} | {v.path: tuple(v.shape) for v in variables}
    return {k: rng.normal(size=shape).astype(dtype) for k, shape in shapes.items()}


class Loss:
    """The scalar loss of the equations, at inputs and weights moved along directions."""

    def __init__(self, problem, floats, weights, keep, factors, variables):
        self.problem, self.floats, self.weights, self.keep = problem, floats, weights, keep
        self.factors, self.variables = factors, list(variables)

    def __call__(self, *moves):
        """Evaluate at the sum of `(step, directions)`."""

        def move(name, x):
            return x + sum(step * directions[name] for step, directions in moves)

        floats = {k: move(k, v) for k, v in self.floats.items()}
        pairs = zip(self.variables, self.weights, strict=True)
        weights = [move(variable.path, weight) for variable, weight in pairs]
        results = self.problem.reference(floats, self.problem.fixed, weights, self.keep)
        return sum(np.sum(results[k] * f) for k, f in self.factors.items())


def check_first(problem, case, loss, grads, directions):
    for name, gradient in grads.items():
        if gradient is None:
            is_expected = {name, "*"} & set(problem.unconnected)
            assert is_expected, f"the gradient of {name} is None"
        elif not np.isfinite(gradient).all():
            is_overflow = case.dtype == "float16" and is_overflow_expected(name, gradient, loss)
            assert is_overflow, f"the gradient of {name} is not finite"
    if case.is_half or not case.is_smooth:
        return
    for name, gradient in grads.items():
        if gradient is None:
            continue
        direction = {k: d if k == name else 0 * d for k, d in directions.items()}
        step = 1e-6
        expected = (loss((step, direction)) - loss((-step, direction))) / (2 * step)
        actual = np.sum(gradient * directions[name])
        size = abs(expected) + np.sqrt(np.sum(gradient**2)) + 1e-2
        assert abs(actual - expected) <= GRADIENT_TOLERANCE[case.policy] * size, (
            f"the gradient of {name}, in one direction: {actual:.9g}, right: {expected:.9g}"
        )


def is_overflow_expected(name, gradient, loss):
    """Return whether all elements that are not finite are infinite because they are too large.

    Under a float16 policy the gradient of a weight is computed in float16, as by Keras's layers: it
    is infinite beyond 65504, from which the optimizer learns to scale the loss down.
    """
    if np.isnan(gradient).any():
        return False
    step, unit = 1e-6, np.zeros_like(gradient)
    for index in np.argwhere(np.isinf(gradient)):
        unit[tuple(index)] = 1
        moves = ((sign * step, collections.defaultdict(float, {name: unit})) for sign in (1, -1))
        upper, lower = (loss(move) for move in moves)
        if abs(upper - lower) / (2 * step) < MIN_OVERFLOW:
            return False
        unit[tuple(index)] = 0
    return True


def check_second(case, loss, seconds, first_directions, rng):
    step, signs = 1e-4, [(1, 1), (1, -1), (-1, 1), (-1, -1)]
    directions = {k: rng.normal(size=d.shape) for k, d in first_directions.items()}
    expected = sum(
        a * b * loss((a * step, first_directions), (b * step, directions)) for a, b in signs
    ) / (4 * step**2)
    connected = {k: g for k, g in seconds.items() if g is not None}
    actual = sum(np.sum(g * directions[k]) for k, g in connected.items())
    size = sum(np.sum(np.abs(g)) for g in connected.values())
    tolerance = {"float64": 1e-4, "float32": 1e-2}[case.policy]
    assert abs(actual - expected) <= tolerance * (abs(expected) + size + 1e-2), (
        f"the second derivative, in one direction: {actual:.9g}, right: {expected:.9g}"
    )
