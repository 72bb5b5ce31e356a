"""The checks of first and second derivatives against finite differences in float64."""

import contextlib
from collections.abc import Callable

import keras
import numpy as np

from keras_attention.testing.case import LayerCase
from keras_attention.testing.promise import promise

# XLA's float64 functions on CPUs have relative errors of about 1e-8.
STEP = 1e-3 if keras.backend.backend() == "jax" else 1e-5


@promise("first and second derivatives equal finite differences")
def check_derivatives(case: LayerCase) -> None:
    """Differentiate in a random direction of queries, values and all weights at once."""
    with _enable_float64():
        evaluator = case.create_evaluator(dtype="float64")
        variables = evaluator.layer.trainable_variables
        query, value, *masks = case.batch()
        point = [query.astype("float64"), value.astype("float64")]
        point += [np.array(keras.ops.convert_to_numpy(v)) for v in variables]
        rng = np.random.default_rng(0)
        direction = [rng.normal(size=x.shape) for x in point]

        def evaluate(step):
            moved = [x + step * d for x, d in zip(point, direction, strict=True)]
            for variable, array in zip(variables, moved[2:], strict=True):
                variable.assign(array)
            outputs, gradients = evaluator.outputs_and_gradients(*moved[:2], *masks)
            return sum(np.sin(x).sum() for x in outputs), gradients

        (loss_above, above), (loss_below, below), (_, gradients) = map(evaluate, (STEP, -STEP, 0))
        slope = sum(np.sum(g * d) for g, d in zip(gradients, direction, strict=True))
        _assert_close(slope, (loss_above - loss_below) / (2 * STEP), "first derivative")
        second = evaluator.slope_gradients(*point[:2], *masks, directions=direction)
    names = ["the queries", "the values", *(v.path for v in variables)]
    for name, array, a, b in zip(names, second, above, below, strict=True):
        _assert_close(array, (a - b) / (2 * STEP), f"second derivative by {name}")


def _assert_close(array, expected, name):
    tolerance = 1e-5 * max(1.0, np.abs(expected).max(initial=0.0))
    np.testing.assert_allclose(array, expected, rtol=1e-4, atol=tolerance, err_msg=name)


def _enable_float64():
    if keras.backend.backend() != "jax":
        return contextlib.nullcontext()
    import jax

    return jax.enable_x64()


CHECKS: list[Callable] = [check_derivatives]
