"""A graph whose sequences are limited to short ones has no loops for long ones."""

import keras
import numpy as np
import pytest

import keras_attention
from keras_attention import export
from keras_attention.export.checks.graph import list_nodes, load_meta_graph
from keras_attention.export.signatures.spec import find_max_length


def count_nodes(path):
    return sum(1 for _ in list_nodes(load_meta_graph(path).graph_def))


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="only TensorFlow exports")
def test_limited_sequences_are_attended_to_in_one_way(tmp_path):
    layer = keras_attention.MultiHeadSelfAttention(2, 4)
    x = keras.Input((None, 8), name="x")
    model = keras.Model(x, layer(x, use_causal_mask=True))
    nodes = {}

    def call(x):
        return model(x)

    for limit in (None, 64, 600):
        at_most = None if limit is None else {"length": limit}
        spec = export.Spec("x", (None, "length", 8), "float32", at_most=at_most)
        signature = call, [spec], [model]
        path = export.saved_model(None, tmp_path / "m", {"serving_default": signature})
        nodes[limit] = count_nodes(path)
        array = np.random.default_rng(0).normal(size=(2, 5, 8)).astype("float32")
        outputs = export.run_in_c_loader(path, "serving_default", {"x": array})
        np.testing.assert_allclose(outputs["output"], model(array), atol=1e-5)
    assert nodes[64] < 0.6 * nodes[None]
    assert nodes[600] >= nodes[None]


def test_largest_size_of_the_axes_that_vary():
    limits = {"t": 5}
    specs = [export.Spec("x", ("batch", "t", 900), "float32", at_most=limits)]
    assert find_max_length(specs) == 5
    assert find_max_length([*specs, export.Spec("y", ("batch", "t"), "int32")]) == 5
    assert find_max_length([*specs, export.Spec("y", ("batch", "s"), "int32")]) is None
    assert find_max_length([export.Spec("y", ("batch", 3), "int32")]) == 0
