"""Refuse a model whose weights or outputs are not numbers, as after a training that diverged."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from keras_attention.export.checks.state import list_variables
from keras_attention.export.requests.call import Call


def check_finite(
    calls: Sequence[Call],
    answers: Sequence[dict[str, np.ndarray]],
    concrete_functions: Iterable[Any],
) -> None:
    """Raise a ValueError if a weight holds NaN, or an output holds NaN for every example.

    Only examples with finite inputs count. An output may be infinite, as log-probabilities of
    masked positions are, unless it is infinite for every example and a weight is infinite too.

    Args:
        calls: List of `Call`.
        answers: The outputs of each call by name.
        concrete_functions: The traced functions, whose variables are the weights.
    """
    weights = _find_weights_that_are_not_finite(concrete_functions)
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
        if has_nan or weights:
            raise ValueError(
                f"Expected numbers in output {name!r} of signature {signature!r}. Received: "
                f"{'NaN' if has_nan else 'infinity'} for each of {len(arrays)} examples with "
                f"finite inputs. The weights with NaN or infinity: {sorted(weights) or 'none'}. If "
                "training diverged, export an earlier checkpoint; if the model is right, pass an "
                "`example` for which this output is a number"
            )
    # Integers and strings computed from NaN, such as the index of a largest logit, look valid.
    missing = sorted(name for name, has_nan in weights.items() if has_nan)
    if missing:
        raise ValueError(
            f"Expected weights without NaN. Received: NaN in {missing}. If training diverged, "
            "export an earlier checkpoint"
        )


def _is_finite(array: np.ndarray) -> bool:
    """Return True unless an array holds NaN or infinity."""
    return array.dtype == object or bool(np.isfinite(array).all())


def _find_weights_that_are_not_finite(concrete_functions: Iterable[Any]) -> dict[str, bool]:
    """Return the names of the variables with NaN or infinity, and whether they hold NaN."""
    weights = {}
    for variable in list_variables(concrete_functions):
        if variable.dtype.is_floating or variable.dtype.is_complex:
            array = variable.numpy()
            if not np.isfinite(array).all():
                weights[variable.name.split(":")[0]] = bool(np.isnan(array).any())
    return weights
