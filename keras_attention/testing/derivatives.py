"""The check of first and second derivatives against finite differences."""

import re
from collections.abc import Callable

import keras
import numpy as np

from keras_attention.testing.case import LayerCase
from keras_attention.testing.promise import promise

# On JAX and PyTorch, some operations of Keras compute in float32 even if the dtype is float64.
if keras.backend.backend() == "tensorflow":
    DTYPE, STEP, TOLERANCE = "float64", 1e-5, 1e-4
else:
    DTYPE, STEP, TOLERANCE = "float32", 1e-3, 1e-2


@promise("first and second derivatives equal finite differences")
def check_derivatives(case: LayerCase) -> None:
    """Differentiate in a random direction of queries, values and all weights at once.

    A layer that has no second derivative, such as PyTorch's fused attention, may raise an error
    whose message mentions a derivative or a gradient.
    """
    # Only this check uses a float64 layer. A float32 layer shares compiled programs with others.
    is_shared = DTYPE == "float32"
    evaluator = case.evaluator() if is_shared else case.create_evaluator(dtype=DTYPE)
    variables = evaluator.layer.trainable_variables
    query, value, *masks = case.batch()
    weights = [np.array(keras.ops.convert_to_numpy(v)) for v in variables]
    point = [x.astype(DTYPE) for x in (query, value, *weights)]
    rng = np.random.default_rng(0)
    direction = [rng.normal(size=x.shape).astype(DTYPE) for x in point]

    def evaluate(step):
        moved = [x + np.asarray(step * d, DTYPE) for x, d in zip(point, direction, strict=True)]
        for variable, array in zip(variables, moved[2:], strict=True):
            variable.assign(array)
        outputs, gradients = evaluator.outputs_and_gradients(*moved[:2], *masks)
        return sum(np.sin(x).sum() for x in outputs), gradients

    # The last evaluation, with a step of 0, restores the weights.
    (loss_above, above), (loss_below, below), (_, gradients) = map(evaluate, (STEP, -STEP, 0))
    slope = sum(np.sum(g * d) for g, d in zip(gradients, direction, strict=True))
    _assert_close(slope, (loss_above - loss_below) / (2 * STEP), "first derivative")
    try:
        second = evaluator.slope_gradients(*point[:2], *masks, directions=direction)
    except (LookupError, NotImplementedError, RuntimeError) as error:
        if re.search("derivative|gradient", str(error)):
            return
        raise
    names = ["the queries", "the values", *(v.path for v in variables)]
    for name, array, a, b in zip(names, second, above, below, strict=True):
        _assert_close(array, (a - b) / (2 * STEP), f"second derivative with respect to {name}")


def _assert_close(array, expected, name):
    tolerance = TOLERANCE * max(1.0, np.abs(expected).max(initial=0.0))
    np.testing.assert_allclose(array, expected, rtol=0, atol=tolerance, err_msg=name)


CHECKS: list[Callable] = [check_derivatives]
