"""One model to one format, in a process of its own: converters may end the process they run in.

python -m benchmarks.conversion.convert "AdditiveAttention" onnx
"""

import json
import sys
import tempfile
from pathlib import Path

import keras
import numpy as np

from benchmarks.conversion import models, runtimes

FREE = ((1, 4), (3, 7))  # batches and lengths: what a converter has frozen shows itself
FORMATS = {  # column: Keras's format, its file's ending, the runtime, the batches and lengths
    "ONNX": ("onnx", "onnx", runtimes.onnx, FREE),
    "OpenVINO": ("openvino", "xml", runtimes.openvino, FREE),
    "LiteRT": ("litert", "tflite", runtimes.litert, FREE),
    "LiteRT, fixed sizes": ("litert", "tflite", runtimes.litert, FREE[1:]),
}
TOLERANCE = 1e-4


def largest_difference(name, column):
    """How far the converted model's answers are from the model's, over all sizes."""
    format, ending, run, sizes = FORMATS[column]
    model = models.make(name)
    asked = [models.inputs(model, *size) for size in sizes]
    # The answers before the export: ONNX's takes models only that have been called.
    answers = [model([inputs[symbol.name] for symbol in model.inputs]) for inputs in asked]
    differences = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"model.{ending}")
        model.export(str(path), format=format, verbose=False, **_signature(model, sizes))
        for inputs, own in zip(asked, map(keras.ops.convert_to_numpy, answers), strict=True):
            found = run(path, inputs)
            if found.shape != own.shape:
                raise ValueError(f"answers {found.shape} in place of {own.shape}")
            differences.append(np.abs(found - own).max())
    return float(max(differences))


def _signature(model, sizes):
    """Where there is one size only, the converter is told it."""
    if len(sizes) > 1:
        return {}
    (size,) = sizes
    arrays = models.inputs(model, *size)
    specs = [keras.InputSpec(shape=a.shape, dtype=a.dtype.name, name=n) for n, a in arrays.items()]
    structure = specs if isinstance(model.input, list) else specs[0]
    return {"input_signature": [structure]}


def main():
    try:
        found = {"difference": largest_difference(*sys.argv[1:])}
    except Exception as error:
        found = {"error": f"{type(error).__name__}: {error}"}
    print("\n" + json.dumps(found))


if __name__ == "__main__":
    main()
