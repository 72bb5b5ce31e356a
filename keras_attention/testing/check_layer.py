"""Run every check on a layer."""

import copy
from collections.abc import Callable, Iterator
from typing import Any

import keras

from keras_attention.testing import (
    config,
    derivatives,
    extreme_inputs,
    freezing,
    invalid_calls,
    masking,
    precision,
    same_results,
    sample_independence,
    saved_model,
    shapes,
    state,
    training,
    weights,
)
from keras_attention.testing.case import LayerCase

CHECKS = [
    check
    for module in (
        masking,
        sample_independence,
        weights,
        precision,
        extreme_inputs,
        derivatives,
        shapes,
        invalid_calls,
        same_results,
        saved_model,
        config,
        state,
        freezing,
        training,
    )
    for check in module.CHECKS
]
# Checks that run several times, once with each of these arguments.
ARGUMENTS = {
    masking.check_masked_inputs_have_no_effect: [float("nan"), float("inf"), -float("inf")],
    masking.check_fully_masked_query_returns_zero: ["float32", "mixed_float16", "mixed_bfloat16"],
    masking.check_attention_masked_inputs_have_no_effect: ["float32", "mixed_float16"],
    precision.check_finite_inputs_give_no_nan: ["float32", "mixed_float16", "mixed_bfloat16"],
    extreme_inputs.check_extreme_inputs_give_finite_results: [
        "float32",
        "mixed_float16",
        "mixed_bfloat16",
    ],
    same_results.check_symbolic_outputs_match: ["float32", "mixed_bfloat16"],
    freezing.check_frozen_layer_is_not_trained: list(freezing.FREEZERS),
}


def check_layer(layer: keras.layers.Layer | Callable, **options: Any) -> None:
    """Check that an attention layer keeps the promises of this package's layers.

    The layer is called with queries, values, their masks and `return_attention_scores=True`, in the
    same way as `keras.layers.Attention`. If your layer has another interface, pass a function that
    adapts it as `call`.

    Args:
        layer: A layer, a layer class, or a function of keyword arguments that returns a new layer.
            For each check, a layer is created again from its config; its own weights do not change.
        options: Fields of `keras_attention.testing.LayerCase`, such as `arguments`, `call` and
            `width`; and `takes_masks=False` and the like for features that the layer does not have.

    Raises:
        AssertionError: If the layer breaks a promise. The message names the layer and the promise.

    Example:
    >>> keras_attention.testing.check_layer(keras.layers.Attention())  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    AssertionError: Attention() breaks the promise: a fully masked query returns zero, ...
    """
    case = LayerCase(_create_again(layer) if _is_layer(layer) else layer, **options)
    for check, arguments in list_checks(case):
        check(case, *arguments)


def list_checks(case: LayerCase) -> Iterator[tuple[Callable, tuple]]:
    """Yield every check that applies to a case, and its further arguments, for a test runner.

    Args:
        case: The layer under test.

    Example:
    >>> case = keras_attention.testing.LayerCase(keras_attention.Attention)
    >>> check, arguments = next(keras_attention.testing.list_checks(case))
    >>> check.promise
    'a fully masked query returns zero, with zero gradients'
    >>> check(case, *arguments)
    """
    for check in CHECKS:
        if check.applies(case):
            for argument in ARGUMENTS.get(check, [None]):
                yield check, () if argument is None else (argument,)


def _is_layer(layer):
    return isinstance(layer, keras.layers.Layer)


def _create_again(layer):
    """Return a function of options that creates the layer from its config."""

    def create(**options):
        config = copy.deepcopy(layer.get_config())
        if "dtype" in options:
            _set_dtype(config, options["dtype"])
        try:
            return type(layer).from_config({**config, **options})
        except TypeError as error:  # Keras replaces the constructor's error by its own.
            raise error.__context__ or error from None

    return create


def _set_dtype(nest, dtype):
    """Set the dtype of every layer config in a nest, in place."""
    if isinstance(nest, dict):
        is_layer = "class_name" in nest and "dtype" in (nest.get("config") or {})
        if is_layer and nest["class_name"] != "DTypePolicy":
            nest["config"]["dtype"] = dtype
        nest = list(nest.values())
    if isinstance(nest, list | tuple):
        for part in nest:
            _set_dtype(part, dtype)
