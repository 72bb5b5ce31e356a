"""Convert one model to one format and print the difference of its outputs as JSON.

    python -m benchmarks.conversion.convert "AdditiveAttention" ONNX

`python -m benchmarks.conversion` starts this program for each table entry, in a separate process,
because a converter may end its process.
"""

import json
import sys
import tempfile
from pathlib import Path

import keras
import numpy as np

from benchmarks.conversion import models, runtimes

# Pairs (batch size, length). With two pairs, a size that the converter has made constant fails.
SIZES = ((1, 4), (3, 7))
# By column of the table: Keras's format, suffix of the file, function of the runtime, sizes.
FORMATS = {
    "ONNX": ("onnx", "onnx", runtimes.run_onnx, SIZES),
    "OpenVINO": ("openvino", "xml", runtimes.run_openvino, SIZES),
    "LiteRT": ("litert", "tflite", runtimes.run_litert, SIZES),
    "LiteRT, fixed sizes": ("litert", "tflite", runtimes.run_litert, SIZES[1:]),
}
TOLERANCE = 1e-4


def measure_difference(name, column):
    """Return the largest difference between the outputs of model and converted model."""
    format, suffix, run, sizes = FORMATS[column]
    model = models.make_model(name)
    calls = [models.make_inputs(model, *size) for size in sizes]
    # Call the model before the export: the ONNX converter only accepts called models.
    outputs = [model([inputs[symbol.name] for symbol in model.inputs]) for inputs in calls]
    differences = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"model.{suffix}")
        model.export(str(path), format=format, verbose=False, **_make_signature(model, sizes))
        for inputs, output in zip(calls, outputs, strict=True):
            expected = keras.ops.convert_to_numpy(output)
            converted = run(path, inputs)
            if converted.shape != expected.shape:
                raise ValueError(f"returns {converted.shape} instead of {expected.shape}")
            differences.append(np.abs(converted - expected).max())
    return float(max(differences))


def _make_signature(model, sizes):
    """Return the options of `export`: an input signature if there is a single size."""
    if len(sizes) > 1:
        return {}
    (size,) = sizes
    arrays = models.make_inputs(model, *size)
    specs = [keras.InputSpec(shape=a.shape, dtype=a.dtype.name, name=n) for n, a in arrays.items()]
    structure = specs if isinstance(model.input, list) else specs[0]
    return {"input_signature": [structure]}


def main():
    try:
        result = {"difference": measure_difference(*sys.argv[1:])}
    except Exception as error:
        result = {"error": f"{type(error).__name__}: {error}"}
    print("\n" + json.dumps(result))


if __name__ == "__main__":
    main()
