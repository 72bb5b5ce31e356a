"""The check that an invalid argument of a call raises an error that names it."""

import functools
import re
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np

from keras_attention.testing.backends import compute_shapes
from keras_attention.testing.case import LayerCase
from keras_attention.testing.data import KEYS, QUERIES
from keras_attention.testing.promise import promise, require
from keras_attention.testing.recorded_calls import record_calls

# Arguments that are broadcast: they may have fewer axes than the scores, and axes of size 1.
BROADCAST = {"attention_mask", "attention_bias"}
# Keras rejects some inputs before it calls the layer, with these errors, which name no argument.
KERAS_PATTERN = "|".join(
    [
        r"Input \d+ (with name '.*' )?of layer",
        "Inputs to a layer should be tensors",
        "you cannot mix tensors and non-tensors. Received invalid mixed argument: ",
    ]
)


@promise(
    "an invalid call raises an error that names the argument, eagerly and in a functional model"
)
def check_invalid_calls_raise(case: LayerCase) -> None:
    """Replace each tensor of a valid call by text, by another shape, and each mask also by NaN.

    The error must be a ValueError or a TypeError that names an argument. If two arguments do not
    match each other, it may name either.
    """
    layer = case.evaluator().layer
    arguments = _record_arguments(case, layer)
    problems = []
    for name, description, invalid in _make_invalid_calls(arguments, case.takes_batch_axes):
        runs = {"eagerly": invalid}
        if description != "NaN":
            runs["in a functional model"] = keras.tree.map_structure(_to_symbolic, invalid)
        for run, values in runs.items():
            problem = _find_problem(case, layer, values)
            if problem:
                problems.append(f"`{name}` as {description}, {run}: {problem}")
    summary = f"{len(problems)} invalid calls do not raise an error that names the argument"
    require(not problems, "\n".join([summary, *problems]))


def _record_arguments(case, layer):
    """Return the arguments with which `case.call` calls the layer, by name, as arrays of ones."""
    data = [keras.KerasTensor(x.shape, x.dtype) for x in case.batch()]
    options = {}
    if case.takes_attention_mask:
        options["attention_mask"] = keras.KerasTensor((QUERIES, KEYS), "bool")
    with record_calls(layer) as calls:
        case.call(layer, *data, **options)
        if not calls:  # In a symbolic call, a recurrent layer does not call its cell.
            compute_shapes(functools.partial(case.call, layer), *case.batch())
    arguments = {**calls[0].arguments, **case.call_arguments}
    return keras.tree.map_structure(_to_array, arguments)


def _make_invalid_calls(arguments: dict, takes_batch_axes: bool) -> Iterator[tuple[str, str, dict]]:
    """Yield the name of the invalid argument, a description of it, and all arguments."""
    leaves = keras.tree.flatten(arguments)
    is_only = sum(isinstance(x, np.ndarray) for x in leaves) == 1
    for name, argument in arguments.items():
        for index, leaf in enumerate(keras.tree.flatten(argument)):
            if not isinstance(leaf, np.ndarray):
                continue
            for description, invalid in _make_invalid_tensors(leaf, name in BROADCAST, is_only):
                if takes_batch_axes and np.ndim(invalid) > leaf.ndim:
                    continue
                leaves = [
                    invalid if number == index else x
                    for number, x in enumerate(keras.tree.flatten(argument))
                ]
                nest = keras.tree.pack_sequence_as(argument, leaves)
                yield name, description, {**arguments, name: nest}
        if isinstance(argument, list | tuple):
            yield name, "another number of tensors", {**arguments, name: list(argument[:-1])}


def _make_invalid_tensors(tensor, is_broadcast, is_only_tensor):
    """Yield a description and an invalid replacement of a tensor."""
    yield "text", "text"
    # A broadcast argument gets more axes than even the scores of several heads have.
    axes = (1, 1, 1) if is_broadcast else (1,)
    invalid = [np.reshape(tensor, (*tensor.shape, *axes))]
    if not is_broadcast and tensor.ndim > 1:
        invalid.append(tensor[0])
    if not is_only_tensor:  # Another batch size is invalid only beside another tensor.
        invalid.append(np.concatenate([tensor, tensor[:1]]))
    if tensor.dtype == bool:
        invalid.append(np.concatenate([tensor, tensor[..., :1]], -1))
        if not is_broadcast:
            invalid.append(tensor[..., :1])
        yield "NaN", np.full(tensor.shape, np.nan, "float32")
    for array in invalid:
        yield f"shape {array.shape}", array


def _find_problem(case, layer, arguments):
    """Return what is wrong with the error that a call raises, or None."""
    try:
        layer(**arguments)
    except Exception as error:
        message = str(error).split("\n\nArguments received by")[0]
        names_argument = re.search(case.error_pattern, message, re.DOTALL) and any(
            x in message for x in (*arguments, "query", "value", "key")
        )
        is_right_message = names_argument or re.search(KERAS_PATTERN, message)
        if isinstance(error, ValueError | TypeError) and is_right_message:
            return None
        return f"{type(error).__name__}: {message[:200]}"
    return "accepted"


def _to_array(x: Any) -> Any:
    if not hasattr(x, "shape"):
        return x
    return np.ones(tuple(x.shape), keras.backend.standardize_dtype(x.dtype))


def _to_symbolic(x: Any) -> Any:
    return keras.KerasTensor(x.shape, str(x.dtype)) if isinstance(x, np.ndarray) else x


CHECKS: list[Callable] = [check_invalid_calls_raise]
