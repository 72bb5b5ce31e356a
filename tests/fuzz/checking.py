"""Compare a layer with its equations: outputs, masks, single rows and derivatives."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from tests.fuzz.derivatives import Loss, check_first, check_second, draw_directions
from tests.fuzz.execution import run, to_numpy
from tests.fuzz.strategies.blocks import set_blocks
from tests.fuzz.strategies.values import draw, round_to

EPSILON = {"float64": 2.3e-16, "float32": 1.2e-7, "bfloat16": 7.9e-3, "float16": 9.8e-4}
TOLERANCE = {"float64": 1e-11, "float32": 2e-5, "bfloat16": 3e-2, "float16": 4e-3}
PERTURBATIONS = 2
# A layer rounds at many places, of which a perturbation samples few. In half precision the bound
# must be smaller than the results: 30 units would be a quarter of them.
AMPLIFICATION = {"float64": 30, "float32": 30, "bfloat16": 8, "float16": 8}
MAX_LOSS = 1e30
# Below this a dtype has too few digits to compare.
MIN_DIFFERENCE = {"float64": 1e-36, "float32": 1e-36, "bfloat16": 1e-36, "float16": 6e-8}


@dataclasses.dataclass
class Problem:
    """A layer with its inputs and its equations.

    Attributes:
        layer: The layer, not built yet.
        floats: Dict of float arrays, with respect to which the loss is differentiated.
        fixed: Dict of masks, indices and biases. Items that are None are left out. To find out how
            far rounding errors are amplified, the equations are evaluated with one more item,
            "round", a function that changes an array by rounding errors.
        call: Function `(layer, floats, fixed)`, with tensors, that returns a dict of tensors.
        reference: Function `(floats, fixed, weights, keep)` that returns a dict of float64 arrays:
            the outputs, and optionally "visible", bool of the shape of "weights", and "zero", bool
            of the shape of the output without its last axis: positions that must be exactly zero.
        keep: Function of the outputs and the expected outputs that returns the dropout factors of
            the weights, or None.
        poison: Dict of bool arrays: positions at which the layer gets NaN and the equations get 0.
        is_exact: True if all scores are exact in float32, so that equal scores stay equal.
        internal: Dtype of the coarsest rounding inside the layer; None = its compute dtype, in
            which projections and products are rounded.
        unconnected: Names whose gradients may be None.
        shared: Names of arrays without a batch axis.
        set_weights: Function that replaces the list of drawn weights by another one, or None.
        known_axes: Dict of axes, apart from the last one, whose sizes must be known in a graph.
        twin: A layer with the plain implementation and the same seed, whose dropout must be the
            same, or None.
        sizes: Dict of the largest absolute value that is rounded in the computation of an output,
            for outputs that may be smaller than it.
    """

    layer: Any
    floats: dict
    fixed: dict
    call: Callable
    reference: Callable
    keep: Callable | None = None
    poison: dict = dataclasses.field(default_factory=dict)
    is_exact: bool = False
    internal: str | None = None
    unconnected: tuple = ()
    shared: tuple = ()
    set_weights: Callable | None = None
    known_axes: dict = dataclasses.field(default_factory=dict)
    twin: Any = None
    sizes: dict = dataclasses.field(default_factory=dict)


def check(build, case):
    """Raise an AssertionError if the layer of a case differs from its equations."""
    with set_blocks(case.blocks), np.errstate(all="ignore"):
        _check(build(case), case)


def _check(problem, case):
    problem.fixed = {k: v for k, v in problem.fixed.items() if v is not None}
    floats = {k: round_to(v, case.dtype) for k, v in problem.floats.items()}
    for name, is_poisoned in problem.poison.items():
        floats[name] = np.where(is_poisoned[..., None], 0.0, floats[name])
    inputs = {k: v.astype(case.dtype) if not case.is_half else v for k, v in floats.items()}
    inputs = _cast(inputs, case.dtype)
    poisoned = dict(inputs)
    for name, is_poisoned in problem.poison.items():
        nan = np.asarray(np.nan, inputs[name].dtype)
        poisoned[name] = np.where(is_poisoned[..., None], nan, inputs[name])
    layer = problem.layer
    _call(problem, layer, inputs, problem.fixed)  # builds it
    weights = _set_weights(problem, case)
    expected = problem.reference(floats, problem.fixed, weights, None)
    rng = case.rng(7)
    dtype = "float64" if case.policy == "float64" else "float32"
    output_names = [k for k in expected if k not in ("visible", "zero")]
    factors = {k: rng.normal(size=expected[k].shape).astype(dtype) for k in output_names}
    for name, factor in factors.items():  # a loss of 1e38 would lose the digits of the other terms
        factor[np.abs(expected[name]) > MAX_LOSS] = 0
    directions = draw_directions(rng, floats, layer.trainable_variables, dtype)
    order, arguments = case.order, (poisoned, problem.fixed, factors, directions)
    try:
        outputs, first, second = run(case.mode, problem, *arguments, order)
    except LookupError as error:
        # Documented: under XLA, a loop of blocks has no second derivative.
        if order < 2 or "No gradient defined" not in str(error) or "xla" not in case.mode:
            raise
        order = 1
        outputs, first, second = run(case.mode, problem, *arguments, order)
    keep = None
    if problem.keep is not None:
        keep = problem.keep(outputs, expected)
        if problem.twin is not None and case.mode in ("eager", "graph"):
            _check_twin(problem, inputs, weights, expected, keep)
        expected = problem.reference(floats, problem.fixed, weights, keep)
    tolerance = _compute_tolerances(problem, case, floats, weights, keep, expected)
    _compare(outputs, expected, tolerance)
    _check_zeros(outputs, expected)
    if case.batch > 1 and problem.keep is None:
        _check_single_row(problem, layer, poisoned, outputs, tolerance, case.batch)
    evaluate = Loss(problem, floats, weights, keep, factors, layer.trainable_variables)
    if case.order:
        check_first(
            problem, case, evaluate, first, draw_directions(rng, floats, evaluate.variables)
        )
    if order > 1 and case.is_smooth and not case.is_half:
        check_second(case, evaluate, second, directions, rng)


def _check_twin(problem, inputs, weights, expected, keep):
    """Check that the plain steps drop the same weights with the same seed."""
    _call(problem, problem.twin, inputs, problem.fixed)
    for variable, weight in zip(problem.twin.trainable_variables, weights, strict=True):
        variable.assign(weight)
    outputs = _call(problem, problem.twin, inputs, problem.fixed)
    outputs = {k: to_numpy(v) for k, v in outputs.items()}
    assert (problem.keep(outputs, expected) == keep).all(), "the kernel drops other weights"


def _call(problem, layer, floats, fixed):
    from keras import ops

    convert = ops.convert_to_tensor
    floats, fixed = ({k: convert(v) for k, v in d.items()} for d in (floats, fixed))
    return problem.call(layer, floats, fixed)


def _cast(arrays, dtype):
    if dtype == "bfloat16":
        import ml_dtypes

        dtype = ml_dtypes.bfloat16
    return {k: v.astype(dtype) for k, v in arrays.items()}


def _set_weights(problem, case):
    """Draw the layer's weights, set them, and return them in float64."""
    rng, layer = case.rng(5), problem.layer
    weights = [0.7 * draw(case.weights, rng, w.shape) for w in layer.trainable_variables]
    if problem.set_weights is not None:
        weights = problem.set_weights(weights)
    for variable, weight in zip(layer.trainable_variables, weights, strict=True):
        variable.assign(weight)
    dtype = "float64" if case.policy == "float64" else "float32"
    return [round_to(w, dtype) for w in weights]


def _compute_tolerances(problem, case, floats, weights, keep, expected):
    """Return the tolerance of every output: rounding errors, amplified as by the equations.

    The equations are evaluated for slightly perturbed inputs and weights. Where that changes a
    result (large scores, the edge of a window), the layer may differ as much.
    """
    internal = problem.internal or case.dtype
    epsilon, rng = EPSILON[internal], case.rng(11)
    changes = {k: 0.0 for k in expected}

    def round_randomly(x):
        return x * (1 + epsilon * rng.uniform(-1, 1, x.shape))

    fixed = problem.fixed | {"round": round_randomly}
    for _ in range(0 if problem.is_exact else PERTURBATIONS):
        other_floats, other_weights = (
            [round_randomly(x) for x in arrays] for arrays in (floats.values(), weights)
        )
        perturbed = problem.reference(
            dict(zip(floats, other_floats, strict=True)), fixed, other_weights, keep
        )
        for name in _list_outputs(expected):
            change = np.nan_to_num(np.abs(perturbed[name] - expected[name]), nan=np.inf)
            changes[name] = np.maximum(changes[name], change)
    tolerances = {}
    for name in _list_outputs(expected):
        size = np.abs(expected[name])
        if size.ndim:
            size = size.max(axis=-1, keepdims=True, initial=0)
            changes[name] = (
                np.max(changes[name], axis=-1, keepdims=True, initial=0)
                if np.ndim(changes[name])
                else changes[name]
            )
        change = AMPLIFICATION[internal] * (changes[name] + epsilon * problem.sizes.get(name, 0))
        tolerances[name] = TOLERANCE[case.dtype] * size + change + MIN_DIFFERENCE[case.dtype]
    return tolerances


def _list_outputs(expected):
    return [name for name in expected if name not in ("visible", "zero")]


def _compare(outputs, expected, tolerance, reference_name="the equations"):
    for name in _list_outputs(expected):
        actual, correct = outputs[name], expected[name]
        assert actual.shape == correct.shape, f"{name}: {actual.shape}, right: {correct.shape}"
        assert np.isfinite(actual).all(), f"{name} is not finite: {actual}"
        excess = np.abs(actual - correct) - tolerance[name]
        if (excess > 0).any():
            worst = np.unravel_index(np.argmax(excess), excess.shape)
            raise AssertionError(
                f"{name} differs from {reference_name} at {tuple(map(int, worst))}: "
                f"{actual[worst]:.9g}, right: {correct[worst]:.9g}"
            )


def _check_zeros(outputs, expected):
    """Check that masked weights and the outputs of fully masked queries are exactly zero."""
    if "visible" in expected and "weights" in outputs:
        masked = outputs["weights"][~expected["visible"]]
        assert not masked.any(), "a masked position has a weight"
    if "zero" in expected:
        assert not outputs["output"][expected["zero"]].any(), "a fully masked query has an output"


def _check_single_row(problem, layer, floats, outputs, tolerance, batch):
    """Check that the last sequence has the same outputs alone as in its batch."""

    def select(arrays):
        return {
            k: v if k in problem.shared or len(v) == 1 else v[batch - 1 : batch]
            for k, v in arrays.items()
        }

    single = _call(problem, layer, select(floats), select(problem.fixed))
    for name, value in single.items():
        if name not in tolerance:
            continue
        in_batch = {name: outputs[name][batch - 1 : batch]}
        part = tolerance[name][batch - 1 : batch] if np.ndim(tolerance[name]) else tolerance[name]
        _compare({name: to_numpy(value)}, in_batch, {name: 2 * part}, "the row in its batch")
