"""What the loader makes it gives back, whatever fails: counted in a library that only counts."""

import ctypes
from types import SimpleNamespace

import numpy as np
import pytest

from keras_attention.export.checks.c_loader import model
from keras_attention.export.checks.c_loader.library import Buffer
from keras_attention.export.checks.c_loader.tensors import NUMBERS

FLOAT, RESOURCE = NUMBERS["float32"], 20


class Library:
    """As much of TensorFlow's as a model needs; `alive` is what was not given back."""

    def __init__(self):
        self.alive, self.code, self.output = {}, 0, FLOAT

    def _make(self, thing=None):
        thing = ctypes.create_string_buffer(64) if thing is None else thing
        self.alive[ctypes.addressof(thing)] = thing
        return ctypes.addressof(thing)

    def _give_back(self, address, *_):
        del self.alive[address]

    TF_NewStatus = TF_NewGraph = TF_NewSessionOptions = lambda self: self._make()
    TF_DeleteStatus = TF_DeleteGraph = TF_DeleteSessionOptions = TF_DeleteTensor = _give_back

    def TF_NewBuffer(self):
        return ctypes.pointer(self.alive[self._make(Buffer())])

    def TF_DeleteBuffer(self, buffer):
        self._give_back(ctypes.addressof(buffer.contents))

    def TF_GetCode(self, status):
        return self.code

    def TF_Message(self, status):
        return b"it says so"

    def TF_LoadSessionFromSavedModel(self, *_):
        return 0 if self.code else self._make()

    TF_DeleteSession = _give_back

    def TF_GraphOperationByName(self, graph, name):
        return None if name == b"none" else 1

    def TF_AllocateTensor(self, number, shape, rank, length):
        return self._make()

    def TF_TensorData(self, tensor):
        return tensor

    def TF_SessionRun(self, *given):
        fetched = given[6]
        for index in range(0 if self.code else len(fetched)):
            fetched[index] = self._make()

    def TF_NumDims(self, tensor):
        return 0

    def TF_TensorType(self, tensor):
        return self.output


@pytest.fixture
def library(monkeypatch):
    library = Library()
    monkeypatch.setattr(model, "open_library", lambda folder: library)
    monkeypatch.setattr(model, "_read_signatures", lambda serialized: {})
    return library


@pytest.fixture
def loaded(library):
    """A model that takes `a` and `b`; its library, empty but for the graph and the session."""
    loaded = model.Model("m", "tensorflow", disable_xla=False)
    assert len(library.alive) == 2
    tensor = SimpleNamespace(name="there:0")
    inputs, outputs = {"a": tensor, "b": tensor}, {"y": tensor, "z": tensor}
    gone = {"y": SimpleNamespace(name="none:0")}
    loaded.signatures = {
        "serve": SimpleNamespace(inputs=inputs, outputs=outputs),
        "gone": SimpleNamespace(inputs=inputs, outputs=gone),
    }
    return loaded


GOOD = np.ones(3, "float32")


def test_a_model_that_loads_and_answers_gives_all_back(loaded):
    assert loaded.run("serve", {"a": GOOD, "b": GOOD}).keys() == {"y", "z"}
    assert len(loaded.library.alive) == 2
    loaded.close()
    assert loaded.library.alive == {}


def test_a_model_that_does_not_load_leaves_nothing(library):
    library.code = 5
    with pytest.raises(model.LoaderError, match="failed in loading m: it says so"):
        model.Model("m", "tensorflow", disable_xla=False)
    assert library.alive == {}


@pytest.mark.parametrize(
    ("name", "second", "code", "output", "message"),
    [
        ("serve", GOOD.astype("datetime64[s]"), 0, FLOAT, "Expected a dtype of"),
        ("serve", np.array([b"a", None], object), 0, FLOAT, "Expected bytes in an array"),
        ("serve", GOOD, 3, FLOAT, "running signature 'serve': it says so"),
        ("serve", GOOD, 0, RESOURCE, "an output of numbers or strings. Received: type=20"),
        ("gone", GOOD, 0, FLOAT, "tensors that are in the graph. Received: 'none:0'"),
    ],
    ids=["dtype", "text", "refused", "output", "name"],
)
def test_a_request_that_fails_leaves_nothing(loaded, name, second, code, output, message):
    loaded.library.code, loaded.library.output = code, output
    with pytest.raises((ValueError, RuntimeError), match=message):
        loaded.run(name, {"a": GOOD, "b": second})
    assert len(loaded.library.alive) == 2
