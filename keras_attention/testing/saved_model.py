"""The check that a SavedModel reproduces a layer's results in TensorFlow's C++ loader."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np

from keras_attention.testing.case import LayerCase
from keras_attention.testing.data import OTHER_SIZES
from keras_attention.testing.promise import promise


def _is_tensorflow(case: LayerCase) -> bool:
    return keras.backend.backend() == "tensorflow"


def run_in_c_loader(cases: dict[str, LayerCase]) -> dict[str, list]:
    """Export all cases as one SavedModel and run it once, in a process without Keras.

    Args:
        cases: Dict of name to case; all cases have the same width.

    Returns:
        Dict of name to [output, weights] for `case.batch(*OTHER_SIZES)`, as numpy arrays.
    """
    from keras_attention import export

    width = next(iter(cases.values())).width
    inputs = [keras.Input((None, width), name=name) for name in ("query", "value")]
    inputs += [
        keras.Input((None,), dtype="bool", name=name) for name in ("query_mask", "value_mask")
    ]
    outputs = {}
    for name, case in cases.items():
        output, weights = case.call(case.evaluator().layer, *inputs)
        outputs |= {f"{name}_output": output, f"{name}_weights": weights}
    model = keras.Model(inputs, outputs)
    case = next(iter(cases.values()))
    names = [x.name for x in inputs]
    with tempfile.TemporaryDirectory() as folder:
        example = dict(zip(names, case.batch(), strict=True))
        path = export.saved_model(model, Path(folder) / "layers", example=[example])
        data = dict(zip(names, case.batch(*OTHER_SIZES), strict=True))
        results = export.run_in_c_loader(path, "serving_default", data)
    return {name: [results[f"{name}_output"], results[f"{name}_weights"]] for name in cases}


@promise("a SavedModel gives the same results in TensorFlow's C++ loader", _is_tensorflow)
def check_same_results_in_c_loader(case: LayerCase, results: list | None = None) -> None:
    """Compare the SavedModel's output and weights with the layer's.

    Args:
        case: The layer.
        results: This case's entry in the result of `run_in_c_loader`. With None, the case is
            exported alone.
    """
    results = run_in_c_loader({"layer": case})["layer"] if results is None else results
    expected = case.evaluator().outputs(*case.batch(*OTHER_SIZES))
    for array, expected_array in zip(results, expected, strict=True):
        np.testing.assert_allclose(array, expected_array, rtol=1e-5, atol=1e-6)


CHECKS: list[Callable] = [check_same_results_in_c_loader]
