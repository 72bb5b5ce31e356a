"""The exports of our layers are at most twice as large as those of Keras's layers."""

import keras
import pytest

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


def test_both_networks_have_the_same_weights():
    ours, theirs = (exported.make_network(name, SIZES) for name in ("ours", "keras"))
    assert ours.count_params() == theirs.count_params()
