"""The exports of our layers are at most twice as large as those of Keras's layers."""

import json

import keras
import pytest

import keras_attention

if keras.backend.backend() != "tensorflow":
    pytest.skip("only TensorFlow's graphs are exported", allow_module_level=True)

from benchmarks import exported

SIZES = {"blocks": 6, "heads": 2, "width": 8, "hidden": 8, "words": 9}


def test_graph_has_at_most_twice_as_many_nodes_as_that_of_keras(tmp_path):
    nodes = {}
    for name in ("keras", "ours"):
        exported.export(exported.make_network(name, SIZES, mask_zero=True), tmp_path / name)
        nodes[name] = exported.count_nodes(tmp_path / name)
    assert nodes["ours"] <= 2 * nodes["keras"]


def test_a_cold_start_answers_the_warm_up_requests_of_a_version(tmp_path, capsys, monkeypatch):
    x = keras.Input((2,), name="x")
    model = keras.Model(x, keras.layers.Dense(3)(x))
    path = keras_attention.export.saved_model(model, tmp_path / "m", {"half": (half, model.inputs)})
    called = []

    class RecordedModel(exported.Model):
        def __init__(self, folder, tensorflow, disable_xla):
            # Nothing can enable XLA again for the tests that this process runs later.
            super().__init__(folder, tensorflow, disable_xla=False)

        def run(self, name, inputs):
            called.append((name, inputs["x"].shape))
            return super().run(name, inputs)

    monkeypatch.setattr(exported, "Model", RecordedModel)
    exported.start(path)
    costs = json.loads(capsys.readouterr().out)
    assert list(costs) == ["load, s", "first requests, s", "memory, MB"]
    assert costs["load, s"] > 0
    shapes = [(1, 2), (3, 2)]
    assert called == [(name, shape) for name in ("serving_default", "half") for shape in shapes]


def half(x):
    return {"y": x / 2}


def test_both_networks_have_the_same_weights():
    ours, theirs = (exported.make_network(name, SIZES) for name in ("ours", "keras"))
    assert ours.count_params() == theirs.count_params()
