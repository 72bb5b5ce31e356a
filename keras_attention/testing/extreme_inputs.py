"""The checks for tiny, large, equal and zero inputs, in every dtype and implementation."""

import inspect
from collections.abc import Callable

import numpy as np

from keras_attention.testing.case import LayerCase
from keras_attention.testing.data import KEYS, QUERIES
from keras_attention.testing.promise import promise, require

# In float32, exp(x) ** 2 overflows just above 44 and exp(x) just above 88.
SCALES = (1e-30, 1.0, 43.0, 88.0, 1e4)
# Indices of samples in `make_extreme_batch`: those with inputs of at most 1 (up to 1e-30, up to 1,
# zeros, equal vectors), and the others.
SMALL_SAMPLES, LARGE_SAMPLES = [0, 1, -3, -2], [2, 3, 4, -1]


# Products of such inputs overflow in float32.
HUGE_INPUT = 1e30
# The largest number of float16 is 65504, and partial sums may be twice as large as the results.
MAX_CHECKED_FLOAT16 = 3e4


def make_extreme_batch(case: LayerCase) -> tuple:
    """Return queries, values and their masks, which are all True.

    Each sample holds one kind of input: uniform random numbers up to one of `SCALES`; all zeros;
    equal vectors; one vector that is much larger than the others. All are clipped to
    `case.max_input`.
    """
    rng = np.random.default_rng(0)
    count = len(SCALES) + 3
    limit = case.max_input or np.inf
    arrays = []
    for length in (QUERIES, KEYS):
        x = rng.uniform(-1, 1, size=(count, length, case.width))
        x[: len(SCALES)] *= np.reshape(SCALES, (-1, 1, 1))
        x[-3] = 0
        x[-2] = x[-2, :1]
        x[-1, 1] *= SCALES[-1]
        arrays.append(np.clip(x, -limit, limit).astype("float32"))
    return *arrays, np.ones((count, QUERIES), bool), np.ones((count, KEYS), bool)


@promise("outputs and gradients are finite for tiny, large, equal and zero inputs")
def check_extreme_inputs_give_finite_results(case: LayerCase, dtype: str = "float32") -> None:
    """Evaluate `make_extreme_batch`; in float16, check what is below 3e4 in float32."""
    evaluator, data = case.evaluator(dtype), make_extreme_batch(case)
    results = evaluator.results(*data)
    is_float16 = evaluator.layer.compute_dtype == "float16"
    exact = case.evaluator().results(*data) if is_float16 else results
    for position, (name, array) in enumerate(results.items()):
        if is_float16:
            # The first four results are the output, the weights and the gradients of the two
            # inputs. The others are gradients of variables, which are sums over the samples.
            shape = (len(array) if position < 4 else 1, -1)
            peaks = np.abs(exact[name]).reshape(shape).max(axis=1, initial=0)
            array = array.reshape(shape)[~(peaks > MAX_CHECKED_FLOAT16)]
        require(np.isfinite(array).all(), f"The {name} is not finite")


@promise("outputs and the gradients of the inputs are finite for huge inputs")
def check_huge_inputs_give_finite_results(case: LayerCase) -> None:
    """Evaluate inputs up to 1e30 in float32, where gradients of variables may overflow."""
    limit = min(HUGE_INPUT, case.max_input or np.inf)
    query, value, *masks = case.batch()
    query, value = (limit * np.tanh(x) for x in (query, value))
    results = case.evaluator().results(query, value, *masks)
    for name, array in list(results.items())[:4]:
        require(np.isfinite(array).all(), f"The {name} is not finite with inputs up to {limit}")


def _has_implementations(case: LayerCase) -> bool:
    return "implementation" in inspect.signature(case.layer_class.__init__).parameters


@promise("implementation='blockwise' gives the same results as 'plain'", _has_implementations)
def check_implementations_agree(case: LayerCase) -> None:
    """Evaluate `make_extreme_batch` with the case's layer and with the other implementation.

    The check passes if the layer does not support the other implementation and raises a ValueError.
    """
    is_blockwise = case.arguments.get("implementation") == "blockwise"
    other = "plain" if is_blockwise else "blockwise"
    evaluator = case.evaluator()
    try:
        other_evaluator = case.create_evaluator(implementation=other)
    except ValueError as error:
        require(
            "implementation" in str(error), f"The error does not name `implementation`: {error}"
        )
        return
    data = make_extreme_batch(case)
    for samples in (SMALL_SAMPLES, LARGE_SAMPLES):
        query, value, *masks = (x[samples] for x in data)
        expected = evaluator.results(query, value, *masks)
        results = other_evaluator.results(query, value, *masks)
        scale = np.maximum(1, np.abs(value).max((1, 2), keepdims=True))
        # The results are the output, the weights, the gradients of the two inputs, then one
        # gradient per variable. Gradients of inputs contain products of two inputs, so their
        # rounding errors grow with the square of the scale. Gradients of variables are sums over
        # samples. They are compared for the small samples only, because rounding errors of large
        # samples would exceed the gradients of small ones.
        for position, (name, array) in enumerate(expected.items()):
            if position < 4:
                tolerance = 1e-5 * (scale if position < 2 else scale**2)
            elif samples is SMALL_SAMPLES:
                tolerance = 1e-5 * max(1.0, np.abs(array).max(initial=0.0))
            else:
                break
            excess = np.abs(results[name] - array) - tolerance - 1e-4 * np.abs(array)
            message = f"The {name} differs by up to {np.abs(results[name] - array).max(initial=0)}"
            require((excess <= 0).all(), f"{message} with implementation={other!r}")


CHECKS: list[Callable] = [
    check_extreme_inputs_give_finite_results,
    check_huge_inputs_give_finite_results,
    check_implementations_agree,
]
