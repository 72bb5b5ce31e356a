"""Refuse a model whose outputs are never numbers, as after a training that diverged."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_attention.export.requests.call import Call


def check_finite(
    calls: Sequence[Call], answers: Sequence[dict[str, np.ndarray]], parts: Iterable[Any]
) -> None:
    """Raise a ValueError if an output holds NaN for every example, although its inputs are finite.

    An output may be infinite, as log-probabilities of masked positions are. If it is infinite for
    every example, the model's weights are checked as well.

    Args:
        calls: List of `Call`.
        answers: The outputs of each call by name.
        parts: The model's trackable objects, some of which are variables.
    """
    outputs = defaultdict(list)  # {(signature, output): [array]}, without empty arrays
    for call, answer in zip(calls, answers, strict=True):
        if all(_is_finite(array) for array in call.inputs.values()):
            for name, array in answer.items():
                if array.size:
                    outputs[call.signature.name, name].append(array)
    for (signature, name), arrays in outputs.items():
        if any(_is_finite(array) for array in arrays):
            continue
        has_nan = all(np.isnan(array).any() for array in arrays)
        weights = _find_weights_that_are_not_finite(parts)
        if has_nan or weights:
            raise ValueError(
                f"Expected numbers in output {name!r} of signature {signature!r}. Received: "
                f"{'NaN' if has_nan else 'infinity'} for each of {len(arrays)} examples with "
                f"finite inputs. The weights with NaN or infinity: {weights or 'none'}. If "
                "training diverged, export an earlier checkpoint; if the model is right, pass an "
                "`example` for which this output is a number"
            )


def _is_finite(array: np.ndarray) -> bool:
    """Return True unless an array holds NaN or infinity."""
    return array.dtype == object or bool(np.isfinite(array).all())


def _find_weights_that_are_not_finite(parts: Iterable[Any]) -> list[str]:
    """Return the names of the variables that hold NaN or infinity."""
    layers = [part for part in parts if isinstance(part, keras.Layer)]
    variables = {id(variable): variable for layer in layers for variable in layer.variables}
    floats = [x for x in variables.values() if "float" in keras.backend.standardize_dtype(x.dtype)]
    return sorted(x.path for x in floats if not bool(ops.all(ops.isfinite(x))))
