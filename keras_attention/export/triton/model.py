"""Answer Triton's requests of one signature of a SavedModel, by TensorFlow's C library.

`keras_attention.export.triton` copies this file into each version of a Triton model, beside the
SavedModel and the modules that load it. Triton's Python backend runs it. The backend's Python needs
the packages tensorflow, ml_dtypes and numpy, and uses only the C++ code of TensorFlow.
"""

import json
import sys
import types
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

LOADER = "keras_attention.export.checks.c_loader"
FOLDER = Path(__file__).parent


class TritonPythonModel:
    """A signature of a SavedModel. Triton calls the methods."""

    def initialize(self, args: Mapping[str, str]) -> None:
        """Load the SavedModel."""
        # Only Triton's backend has this module.
        import triton_python_backend_utils  # pyright: ignore[reportMissingImports]

        self.triton = triton_python_backend_utils
        # The copied modules import each other by their full names. An installed package of that
        # name would import Keras.
        _register_package(LOADER, FOLDER / "c_loader")
        from keras_attention.export.checks.c_loader.library import find_tensorflow_folder
        from keras_attention.export.checks.c_loader.model import Model

        config = json.loads(args["model_config"])
        parameters = {key: value["string_value"] for key, value in config["parameters"].items()}
        tensorflow = parameters["tensorflow"] or find_tensorflow_folder()
        # Import TensorFlow's protocol buffers without running its `__init__`, which imports Keras.
        _register_package("tensorflow", tensorflow)
        # XLA compiles only what the SavedModel requires it to. It is not a parameter, because all
        # versions share their parameters, and only some versions may require XLA.
        self.model = Model(FOLDER / "saved_model", tensorflow, disable_xla=False)
        self.signature = parameters["signature"]
        self.input_names = [entry["name"] for entry in config["input"]]

    def execute(self, requests: Sequence[Any]) -> list[Any]:
        """Return a response for each request; answer all of them by one call if possible."""
        calls = [
            {
                name: self.triton.get_input_tensor_by_name(request, name).as_numpy()
                for name in self.input_names
            }
            for request in requests
        ]
        answers = self._answer_jointly(calls) if len(calls) > 1 else None
        return [self._respond(answer) for answer in answers or map(self._answer, calls)]

    def finalize(self) -> None:
        """Free the model's memory."""
        self.model.close()

    def _answer(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray] | Exception:
        """Return the outputs of a call, or the error."""
        try:
            return self.model.run(self.signature, inputs)
        except (RuntimeError, ValueError) as error:
            return error

    def _answer_jointly(self, calls: Sequence[Mapping[str, np.ndarray]]) -> list[dict] | None:
        """Return the outputs of several calls; None if they must be answered one by one.

        That is so if Triton joined requests of a model that has no batches, and if the joined call
        fails: then only the calls that are invalid should fail.
        """
        rows = [{len(array) if array.ndim else 0 for array in inputs.values()} for inputs in calls]
        if any(len(counts) != 1 for counts in rows):
            return None
        ends = np.cumsum([max(counts) for counts in rows])
        joined = {
            name: np.concatenate([inputs[name] for inputs in calls]) for name in self.input_names
        }
        outputs = self._answer(joined)
        if isinstance(outputs, Exception):
            return None
        if any(array.shape[:1] != (ends[-1],) for array in outputs.values()):
            return None
        parts = {name: np.split(array, ends[:-1]) for name, array in outputs.items()}
        return [{name: parts[name][index] for name in parts} for index in range(len(calls))]

    def _respond(self, answer: Mapping[str, np.ndarray] | Exception) -> Any:
        """Convert outputs, or an error, to Triton's response."""
        if isinstance(answer, Exception):
            error = self.triton.TritonError(str(answer))
            return self.triton.InferenceResponse(error=error)
        tensors = [self.triton.Tensor(name, array) for name, array in answer.items()]
        return self.triton.InferenceResponse(tensors)


def _register_package(name: str, folder: str | Path) -> None:
    """Make a folder's modules importable as a package, without running an `__init__`."""
    package = types.ModuleType(name)
    package.__path__ = [str(folder)]
    sys.modules[name] = package
