"""The checks that a layer returns the same results eagerly, symbolically, compiled and reloaded."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np

from keras_attention.testing.backends import to_numpy
from keras_attention.testing.case import LayerCase
from keras_attention.testing.data import OTHER_SIZES
from keras_attention.testing.promise import promise, require


@promise("returning the attention scores does not change the output")
def check_scores_do_not_change_output(case: LayerCase) -> None:
    """Call the layer with and without the scores; compare bit by bit."""
    data = case.batch()
    evaluator = case.evaluator()
    output, _ = evaluator.outputs(*data)
    (output_alone,) = evaluator.outputs(*data, return_attention_scores=False)
    np.testing.assert_array_equal(output, output_alone)


@promise("symbolic outputs have the shapes and dtypes of the real outputs")
def check_symbolic_outputs_match(case: LayerCase, dtype: str = "float32") -> None:
    """Call the layer on `keras.KerasTensor`s, with known and with unknown batch and lengths."""
    evaluator = case.evaluator(dtype)
    query, value, *masks = case.batch()
    tensors = evaluator.tensors(query, value, *masks)
    symbolic = case.call(
        evaluator.layer, *(keras.KerasTensor(x.shape, "float32") for x in (query, value))
    )
    unknown = case.call(
        evaluator.layer, *(keras.KerasTensor((None, None, case.width), "float32") for _ in range(2))
    )
    for tensor, spec, unknown_spec in zip(tensors, symbolic, unknown, strict=True):
        shape = tuple(tensor.shape)
        require(tuple(spec.shape) == shape, f"Symbolic shape {spec.shape}, real shape {shape}")
        matches = [
            size in (None, real) for size, real in zip(unknown_spec.shape, shape, strict=True)
        ]
        require(all(matches), f"Symbolic shape {unknown_spec.shape}, real shape {shape}")
        real_dtype = keras.backend.standardize_dtype(tensor.dtype)
        require(spec.dtype == real_dtype, f"Symbolic dtype {spec.dtype}, real dtype {real_dtype}")


@promise("results are the same eagerly, compiled and from a `.keras` file, for several sizes")
def check_same_results_compiled_and_reloaded(case: LayerCase, eager: bool = True) -> None:
    """Compare the layer with a functional model, a reloaded model, `predict` and XLA.

    `predict` runs as a graph without XLA on TensorFlow; on JAX it is compiled by XLA. `predict` and
    XLA run for one size only, because each further size would compile another program.

    Args:
        case: The layer.
        eager: Whether to run the layer and the models eagerly as well.
    """
    evaluator = case.evaluator()
    layer = evaluator.layer
    model = case.functional_model(layer)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        model.save(path)
        reloaded = keras.saving.load_model(path)
    is_tensorflow = keras.backend.backend() == "tensorflow"
    if is_tensorflow:
        reloaded.jit_compile = False
    for sizes in (OTHER_SIZES, ()):
        data = case.batch(*sizes)
        expected = to_numpy(case.call(layer, *data)) if eager else evaluator.outputs(*data)
        results = {}
        if sizes == OTHER_SIZES:
            results["predict"] = reloaded.predict_on_batch(data)
            if is_tensorflow:
                results["compiled"] = evaluator.run_compiled(*data)
        if eager:
            results |= {"functional model": model(data), "reloaded model": reloaded(data)}
        for name, result in results.items():
            if isinstance(result, dict):
                result = result["output"], result["weights"]
            for array, expected_array in zip(to_numpy(result), expected, strict=True):
                np.testing.assert_allclose(array, expected_array, 1e-5, 1e-6, err_msg=name)


CHECKS: list[Callable] = [
    check_scores_do_not_change_output,
    check_symbolic_outputs_match,
    check_same_results_compiled_and_reloaded,
]
