"""The loader frees everything that it allocates, even after an error.

A fake of TensorFlow's C library keeps track of the allocations.
"""

import ctypes
from types import SimpleNamespace

import numpy as np
import pytest

from keras_attention.export.checks.c_loader import model
from keras_attention.export.checks.c_loader.library import Buffer
from keras_attention.export.checks.c_loader.tensors import NUMBERS

FLOAT, RESOURCE = NUMBERS["float32"], 20


class Library:
    """A fake of the C functions that a model calls; `allocated` holds what has not been freed."""

    def __init__(self):
        self.allocated, self.code, self.output = {}, 0, FLOAT

    def _allocate(self, buffer=None):
        buffer = ctypes.create_string_buffer(64) if buffer is None else buffer
        self.allocated[ctypes.addressof(buffer)] = buffer
        return ctypes.addressof(buffer)

    def _free(self, address, *_):
        del self.allocated[address]

    TF_NewStatus = TF_NewGraph = TF_NewSessionOptions = lambda self: self._allocate()
    TF_DeleteStatus = TF_DeleteGraph = TF_DeleteSessionOptions = TF_DeleteTensor = _free

    def TF_NewBuffer(self):
        return ctypes.pointer(self.allocated[self._allocate(Buffer())])

    def TF_DeleteBuffer(self, buffer):
        self._free(ctypes.addressof(buffer.contents))

    def TF_GetCode(self, status):
        return self.code

    def TF_Message(self, status):
        return b"the reason"

    def TF_LoadSessionFromSavedModel(self, *_):
        return 0 if self.code else self._allocate()

    TF_DeleteSession = _free

    def TF_GraphOperationByName(self, graph, name):
        return None if name == b"none" else 1

    def TF_AllocateTensor(self, number, shape, rank, length):
        return self._allocate()

    def TF_TensorData(self, tensor):
        return tensor

    def TF_SessionRun(self, *arguments):
        outputs = arguments[6]
        for index in range(0 if self.code else len(outputs)):
            outputs[index] = self._allocate()

    def TF_NumDims(self, tensor):
        return 0

    def TF_TensorType(self, tensor):
        return self.output


@pytest.fixture
def library(monkeypatch):
    library = Library()
    monkeypatch.setattr(model, "open_library", lambda folder: library)
    monkeypatch.setattr(model, "_parse_signatures", lambda serialized: {})
    return library


@pytest.fixture
def loader_model(library):
    """A model with inputs `a` and `b`; only its graph and its session are allocated."""
    loader_model = model.Model("m", "tensorflow", disable_xla=False)
    assert len(library.allocated) == 2
    tensor = SimpleNamespace(name="tensor:0")
    inputs, outputs = {"a": tensor, "b": tensor}, {"y": tensor, "z": tensor}
    missing = {"y": SimpleNamespace(name="none:0")}
    loader_model.signatures = {
        "serve": SimpleNamespace(inputs=inputs, outputs=outputs),
        "missing": SimpleNamespace(inputs=inputs, outputs=missing),
    }
    return loader_model


VALID = np.ones(3, "float32")


def test_running_and_closing_a_model_frees_everything(loader_model):
    assert loader_model.run("serve", {"a": VALID, "b": VALID}).keys() == {"y", "z"}
    assert len(loader_model.library.allocated) == 2
    loader_model.close()
    assert loader_model.library.allocated == {}


def test_a_model_that_fails_to_load_frees_everything(library):
    library.code = 5
    with pytest.raises(model.LoaderError, match="failed in loading m: the reason"):
        model.Model("m", "tensorflow", disable_xla=False)
    assert library.allocated == {}


@pytest.mark.parametrize(
    ("name", "second", "code", "output", "message"),
    [
        ("serve", VALID.astype("datetime64[s]"), 0, FLOAT, "Expected a dtype of"),
        ("serve", np.array([b"a", None], object), 0, FLOAT, "Expected bytes in an array"),
        ("serve", VALID, 3, FLOAT, "running signature 'serve': the reason"),
        ("serve", VALID, 0, RESOURCE, "an output of numbers or strings. Received: type=20"),
        ("missing", VALID, 0, FLOAT, "tensors to be in the graph. Received: 'none:0'"),
    ],
    ids=["dtype", "text", "refused", "output", "name"],
)
def test_a_failed_request_frees_everything_that_it_allocated(
    loader_model, name, second, code, output, message
):
    loader_model.library.code, loader_model.library.output = code, output
    with pytest.raises((ValueError, RuntimeError), match=message):
        loader_model.run(name, {"a": VALID, "b": second})
    assert len(loader_model.library.allocated) == 2
