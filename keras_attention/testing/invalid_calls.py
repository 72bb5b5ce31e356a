"""The check that a wrong argument of a call is refused by name."""

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

# Arguments that may have fewer axes than the scores, and axes of size 1.
BROADCAST = {"attention_mask", "attention_bias"}
# Keras itself refuses some inputs before it calls the layer, and says so without a name.
KERAS_PATTERN = "|".join(
    [
        r"Input \d+ (with name '.*' )?of layer",
        "Inputs to a layer should be tensors",
        "you cannot mix tensors and non-tensors. Received invalid mixed argument: ",
    ]
)


@promise("a wrong argument of a call is refused by name, eagerly and in a functional model")
def check_wrong_calls_are_refused(case: LayerCase) -> None:
    """Replace each tensor of a right call by text, another rank, another size, a mask of NaN.

    The error is a ValueError or a TypeError that has the name of an argument: of two that do not
    fit together, either may be named.
    """
    layer = case.evaluator().layer
    arguments = _record_arguments(case, layer)
    problems = []
    for name, description, wrong in _wrong_arguments(arguments):
        runs = {"eagerly": wrong}
        if description != "NaN":
            runs["in a functional model"] = keras.tree.map_structure(_to_symbolic, wrong)
        for run, values in runs.items():
            problem = _find_problem(case, layer, values)
            if problem:
                problems.append(f"`{name}` as {description}, {run}: {problem}")
    require(not problems, "\n".join([f"{len(problems)} are not refused by name", *problems]))


def _record_arguments(case, layer):
    """Return the arguments with which `case.call` calls the layer, by name, as arrays of ones."""
    data = [keras.KerasTensor(x.shape, x.dtype) for x in case.batch()]
    options = {}
    if case.takes_attention_mask:
        options["attention_mask"] = keras.KerasTensor((QUERIES, KEYS), "bool")
    with record_calls(layer) as calls:
        case.call(layer, *data, **options)
        if not calls:  # a cell is not called by a symbolic recurrent layer
            compute_shapes(functools.partial(case.call, layer), *case.batch())
    arguments = {**calls[0].arguments, **case.call_arguments}
    return keras.tree.map_structure(_to_array, arguments)


def _wrong_arguments(arguments: dict) -> Iterator[tuple[str, str, dict]]:
    """Yield the name of an argument, how it is wrong, and all arguments."""
    leaves = keras.tree.flatten(arguments)
    count = sum(isinstance(x, np.ndarray) for x in leaves)
    for name, argument in arguments.items():
        for index, leaf in enumerate(keras.tree.flatten(argument)):
            if not isinstance(leaf, np.ndarray):
                continue
            for description, wrong in _wrong_tensors(leaf, name in BROADCAST, count == 1):
                leaves = [
                    wrong if number == index else x
                    for number, x in enumerate(keras.tree.flatten(argument))
                ]
                nest = keras.tree.pack_sequence_as(argument, leaves)
                yield name, description, {**arguments, name: nest}
        if isinstance(argument, list | tuple):
            yield name, "another number of tensors", {**arguments, name: list(argument[:-1])}


def _wrong_tensors(tensor, is_broadcast, is_alone):
    yield "text", "text"
    # More axes than the scores of several heads have.
    axes = (1, 1, 1) if is_broadcast else (1,)
    wrong = [np.reshape(tensor, (*tensor.shape, *axes))]
    if not is_broadcast and tensor.ndim > 1:
        wrong.append(tensor[0])
    if not is_alone:
        wrong.append(np.concatenate([tensor, tensor[:1]]))
    if tensor.dtype == bool:
        wrong.append(np.concatenate([tensor, tensor[..., :1]], -1))
        if not is_broadcast:
            wrong.append(tensor[..., :1])
        yield "NaN", np.full(tensor.shape, np.nan, "float32")
    for array in wrong:
        yield f"shape {array.shape}", array


def _find_problem(case, layer, arguments):
    """Return what is wrong with the refusal of a call, or None."""
    try:
        layer(**arguments)
    except Exception as error:
        message = str(error).split("\n\nArguments received by")[0]
        is_named = re.search(case.error_pattern, message, re.DOTALL) and any(
            x in message for x in (*arguments, "query", "value", "key")
        )
        is_refused = is_named or re.search(KERAS_PATTERN, message)
        if isinstance(error, ValueError | TypeError) and is_refused:
            return None
        return f"{type(error).__name__}: {message[:200]}"
    return "accepted"


def _to_array(x: Any) -> Any:
    if not hasattr(x, "shape"):
        return x
    return np.ones(tuple(x.shape), keras.backend.standardize_dtype(x.dtype))


def _to_symbolic(x: Any) -> Any:
    return keras.KerasTensor(x.shape, str(x.dtype)) if isinstance(x, np.ndarray) else x


CHECKS: list[Callable] = [check_wrong_calls_are_refused]
