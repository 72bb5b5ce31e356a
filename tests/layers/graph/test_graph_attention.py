"""GraphAttention against the papers' equations, its masks, batches, dropout and memory."""

import itertools
import re

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention import GraphAttention
from keras_attention.score.edge import compute_dynamic_edge_scores, compute_edge_scores
from tests import reference_graph

NODES, FEATURES, UNITS, HEADS = 7, 4, 3, 2
RNG = np.random.default_rng(0)
X = RNG.normal(size=(1, NODES, FEATURES)).astype("float32")
# Node 6 has no edges; 2 -> 4 is given twice, and 3 -> 3 is a self-loop.
EDGES = np.array([[[0, 1], [2, 1], [5, 1], [1, 0], [2, 4], [2, 4], [3, 4], [3, 3], [5, 3]]])
SCORES = [{"dynamic": False}, {"dynamic": True}]


def numpy(x):
    return ops.convert_to_numpy(x)


def build(seed=1, **options):
    layer = GraphAttention(**{"units": UNITS, "heads": HEADS, **options})
    layer.build([X.shape, EDGES.shape])
    rng = np.random.default_rng(seed)
    layer.set_weights([rng.normal(size=w.shape) for w in layer.get_weights()])
    return layer


def run(layer, nodes=X, edges=EDGES, **options):
    return [numpy(x) for x in layer([nodes, edges], return_attention_scores=True, **options)]


@pytest.mark.parametrize("self_loops", [True, False], ids=["loops", "no loops"])
@pytest.mark.parametrize("score", SCORES, ids=["GAT", "GATv2"])
def test_outputs_and_weights_equal_the_equations(score, self_loops):
    layer = build(**score, self_loops=self_loops)
    output, weights, *loops = run(layer)
    *matrices, bias = layer.get_weights()
    expected, expected_weights = reference_graph.graph_attention(
        X[0], EDGES[0].tolist(), matrices, HEADS, **score, self_loops=self_loops
    )
    np.testing.assert_allclose(output[0], expected.reshape(NODES, -1) + bias, atol=1e-5)
    np.testing.assert_allclose(weights[0], expected_weights, atol=1e-6)
    sums = np.zeros((NODES, HEADS))
    np.add.at(sums, EDGES[0, :, 1], weights[0])
    if self_loops:
        np.testing.assert_allclose(sums + loops[0][0], 1, rtol=1e-6)
        assert not weights[0, 7].any(), "the self-loop counts twice"
    else:
        np.testing.assert_array_equal(output[0, 6], bias)


def test_three_nodes_by_hand():
    layer = GraphAttention(1, use_bias=False, self_loops=False)
    layer.build([(1, 3, 1), (1, 2, 2)])
    # The score is that of the sender alone.
    layer.set_weights([np.array([[x]]) for x in (1.0, 0.0, 1.0)])
    nodes = np.log(np.array([[[3.0], [5.0], [1.0]]], "float32"))
    output, weights = run(layer, nodes, np.array([[[0, 1], [2, 1]]]))
    np.testing.assert_allclose(weights[0, :, 0], [0.75, 0.25], rtol=1e-6)
    np.testing.assert_allclose(output[0, :, 0], [0, 0.75 * np.log(3), 0], rtol=1e-6)


@pytest.mark.parametrize("score", SCORES, ids=["GAT", "GATv2"])
def test_zero_attention_vectors_give_the_mean_of_the_neighbors(score):
    layer = GraphAttention(UNITS, attention_initializer="zeros", **score)
    _, weights, loops = run(layer)
    np.testing.assert_allclose(weights[0, :3], 0.25, rtol=1e-6)
    np.testing.assert_allclose(loops[0, 1], 0.25, rtol=1e-6)


def test_static_scores_rank_all_senders_alike_and_dynamic_ones_do_not():
    edges = np.array([[*itertools.product(range(4), (4, 5, 6))]])
    orders = []
    for score in SCORES:
        weights = run(build(**score, self_loops=False), edges=edges)[1]
        orders.append(weights.reshape(4, 3, HEADS).argsort(axis=0))
    is_same = [np.all(order == order[:, :1]) for order in orders]
    assert is_same == [True, False]


def test_permuting_nodes_and_edges_permutes_the_outputs():
    layer = build()
    output, weights, loops = run(layer)
    order, edge_order = RNG.permutation(NODES), RNG.permutation(EDGES.shape[1])
    edges = np.argsort(order)[EDGES][:, edge_order]
    permuted = run(layer, X[:, order], edges)
    expected = output[:, order], weights[:, edge_order], loops[:, order]
    for result, array in zip(permuted, expected, strict=True):
        np.testing.assert_allclose(result, array, atol=1e-6)


@pytest.mark.parametrize("self_loops", [True, False], ids=["loops", "no loops"])
def test_padded_graphs_of_a_batch_equal_each_graph_alone(self_loops):
    layer = build(self_loops=self_loops, activation="elu")
    sizes = [(7, 9), (3, 2)]
    nodes = np.full((2, 8, FEATURES), np.nan, "float32")
    edges = np.full((2, 12, 2), 99)
    node_mask, edge_mask = np.zeros((2, 8), bool), np.zeros((2, 12), bool)
    graphs = [(X, EDGES), (RNG.normal(size=(1, 3, FEATURES)).astype("float32"), EDGES[:, :2])]
    for row, ((n, e), (x, pairs)) in enumerate(zip(sizes, graphs, strict=True)):
        nodes[row, :n], edges[row, :e] = x[0], pairs[0]
        node_mask[row, :n] = edge_mask[row, :e] = True
    results = run(layer, nodes, edges, mask=[node_mask, None], edge_mask=edge_mask)
    for row, ((n, e), graph) in enumerate(zip(sizes, graphs, strict=True)):
        alone = run(layer, *graph)
        for result, array, size in zip(results, alone, (n, e, n), strict=False):
            np.testing.assert_allclose(result[row, :size], array[0], atol=1e-6)
            assert not result[row, size:].any()


def test_edge_of_a_masked_node_is_masked():
    layer = build()
    node_mask = np.arange(NODES)[None] != 2
    without = EDGES[:, (EDGES != 2).all(-1)[0]]
    output, weights, _ = run(layer, mask=[node_mask, None])
    np.testing.assert_allclose(
        output[node_mask], run(layer, edges=without)[0][node_mask], atol=1e-6
    )
    assert not output[0, 2].any()
    assert not weights[0, (EDGES[0] == 2).any(-1)].any()


def test_nan_in_a_masked_edge_has_no_effect_on_its_receiver():
    edge_mask = (EDGES != 5).all(-1)
    nodes = X.copy()
    nodes[0, 5] = np.nan
    output, weights, _ = run(build(), nodes, edge_mask=edge_mask)
    expected, expected_weights, _ = run(build(), edge_mask=edge_mask)
    np.testing.assert_array_equal(output[0, :5], expected[0, :5])
    np.testing.assert_array_equal(weights, expected_weights)


def test_heads_are_averaged_before_bias_and_activation():
    layer, averaged = build(), build(merge="average", activation="tanh")
    *matrices, bias = layer.get_weights()
    layer.set_weights([*matrices, 0 * bias])
    averaged.set_weights([*matrices, bias[:UNITS]])
    heads = run(layer)[0].reshape(1, NODES, HEADS, UNITS)
    np.testing.assert_allclose(run(averaged)[0], np.tanh(heads.mean(2) + bias[:UNITS]), atol=1e-6)


def test_index_that_is_not_of_a_node_is_refused_unless_its_edge_is_masked():
    edges = np.concatenate([EDGES, [[[1, NODES], [-1, 0]]]], axis=1)
    with pytest.raises(ValueError, match=f"from 0 to {NODES - 1}.* the index {NODES}"):
        build()([X, edges])
    edge_mask = np.arange(edges.shape[1])[None] < EDGES.shape[1]
    np.testing.assert_allclose(run(build(), edges=edges, edge_mask=edge_mask)[0], run(build())[0])


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="compiles with TensorFlow")
def test_index_that_is_not_of_a_node_masks_its_edge_in_a_graph():
    import tensorflow as tf

    layer = build()
    edges = np.concatenate([EDGES, [[[1, NODES], [-1, 0]]]], axis=1).astype("int32")
    specs = [tf.TensorSpec((None, None, FEATURES)), tf.TensorSpec((None, None, 2), tf.int32)]
    call = tf.function(lambda nodes, edges: layer([nodes, edges]), specs)
    np.testing.assert_allclose(call(X, edges), run(layer)[0], atol=1e-6)
    with pytest.raises(tf.errors.InvalidArgumentError):
        call(np.repeat(X, 2, 0), edges)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="compiles with TensorFlow")
def test_int64_index_is_not_wrapped_to_a_node_in_a_graph():
    import tensorflow as tf

    layer = build()
    edges = np.concatenate([EDGES, [[[2**32 + 1, 0], [1, 2**32]]]], axis=1)
    call = tf.function(lambda nodes, edges: layer([nodes, edges]))
    actual = call(tf.constant(X), tf.constant(edges, tf.int64))
    np.testing.assert_allclose(actual, run(layer)[0], atol=1e-6)


def test_dropout_keeps_the_mean_and_is_not_renormalized():
    layer = build(dropout=0.5, seed=0, use_bias=False)
    edges = np.array([[[0, 1], [2, 1], [3, 1], [4, 1]]])
    nodes = np.ones_like(X)
    expected = run(layer, nodes, edges)[0][0, 1]
    outputs = np.array([run(layer, nodes, edges, training=True)[0][0, 1] for _ in range(200)])
    np.testing.assert_allclose(outputs.mean(0), expected, rtol=0.2)
    shares = np.unique((outputs / expected).round(2))
    assert shares.min() < 0.5 and shares.max() > 1.5


def test_feature_dropout_does_not_affect_the_weights():
    layer = build(feature_dropout=0.5, seed=0)
    output, *weights = run(layer, training=True)
    expected, *expected_weights = run(layer)
    for result, array in zip(weights, expected_weights, strict=True):
        np.testing.assert_array_equal(result, array)
    assert np.abs(output - expected).max() > 0.1


def test_regularizer_is_applied_to_all_weights_but_the_bias():
    layer = build(kernel_regularizer=keras.regularizers.L2(0.5))
    expected = 0.5 * sum(np.sum(w**2) for w in layer.get_weights()[:-1])
    np.testing.assert_allclose(numpy(sum(layer.losses)), expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (X, r"`inputs` to be \[nodes, edges\]"),
        ([X, None], r"`inputs` to be \[nodes, edges\]"),
        ([X, EDGES[0]], r"edges of shape \(9, 2\)"),
        ([X, EDGES[..., :1]], r"edges of shape \(1, 9, 1\)"),
        ([X, np.repeat(EDGES, 2, 0)], r"edges of shape \(2, 9, 2\)"),
        ([X, EDGES.astype("float32")], "integer dtype.*float32"),
    ],
)
def test_other_inputs_are_refused(inputs, message):
    for layer in (GraphAttention(3), build()):
        with pytest.raises(ValueError, match=message):
            layer(inputs)


def test_output_has_the_keras_mask_of_the_nodes():
    nodes = keras.Input((None,), dtype="int32")
    edges = keras.Input((None, 2), dtype="int32")
    embedded = keras.layers.Embedding(5, FEATURES, mask_zero=True)(nodes)
    hidden = GraphAttention(UNITS)([embedded, edges])
    model = keras.Model([nodes, edges], keras.layers.GlobalAveragePooling1D()(hidden))
    padded = np.array([[1, 2, 3, 0]]), np.array([[[0, 1], [2, 1], [0, 3]]])
    alone = padded[0][:, :3], padded[1][:, :2]
    np.testing.assert_allclose(
        model.predict_on_batch(padded), model.predict_on_batch(alone), atol=1e-6
    )


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="measures XLA's memory")
def test_memory_grows_with_the_edges_and_not_with_the_pairs_of_nodes():
    import tensorflow as tf

    def count_numbers(nodes):
        """Return the size of the largest tensor of a training step."""
        layer = GraphAttention(4)
        layer.build([(1, nodes, 4), (1, 3000, 2)])

        @tf.function(jit_compile=True)
        def step(x, edges):
            with tf.GradientTape() as tape:
                loss = tf.reduce_sum(layer([x, edges]) ** 2)
            return tape.gradient(loss, layer.trainable_variables[0].value)

        specs = tf.TensorSpec((1, nodes, 4)), tf.TensorSpec((1, 3000, 2), tf.int32)
        text = step.experimental_get_compiler_ir(*specs)(stage="optimized_hlo")
        shapes = re.findall(r"\b(?:f32|s32|pred)\[([\d,]+)\]", text)
        return max(np.prod([int(n) for n in shape.split(",")]) for shape in shapes)

    assert count_numbers(1000) <= 4 * (3000 + 1000)
    assert count_numbers(2000) <= 4 * (3000 + 2000)


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="Keras has no float64 on JAX")
def test_slope_is_not_rounded_to_float32_in_float64():
    node, one, first = -np.ones((1, 1, 1)), np.ones((1, 1)), np.zeros(1, "int32")
    scores = compute_edge_scores(node, one, one, first, first, negative_slope=0.2)
    np.testing.assert_allclose(numpy(scores), [[-0.4]], rtol=1e-15)
    scores = compute_dynamic_edge_scores(node, node, one, first, first, negative_slope=0.2)
    np.testing.assert_allclose(numpy(scores), [[-0.4]], rtol=1e-15)
