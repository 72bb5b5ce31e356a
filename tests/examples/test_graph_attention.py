"""Graph attention on citation graphs: its quick run, export, networks, data and stopping rule."""

import collections
import pickle

import keras
import numpy as np
import pytest
import scipy.sparse
import tensorflow as tf

if keras.backend.backend() != "tensorflow":
    pytest.skip("the examples run on TensorFlow", allow_module_level=True)

import keras_attention
from examples import graph_attention, graph_networks
from examples.datasets import citations, planetoid
from examples.validated_training import ValidatedTraining, measure
from keras_attention.export.checks.fresh_process import run_calls

NODES, CLASSES, WORDS = 90, 3, 12


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Write a graph whose nodes mostly have links to nodes, and words, of their own class."""
    rng = np.random.default_rng(0)
    labels = np.arange(NODES) % CLASSES
    is_same = labels[:, None] == labels
    links = np.triu(rng.random((NODES, NODES)) < np.where(is_same, 0.1, 0.005))
    links |= links.T
    own_words = np.arange(WORDS) % CLASSES == labels[:, None]
    features = rng.random((NODES, WORDS)) < np.where(own_words, 0.5, 0.2)
    order = rng.permutation(NODES)
    path = tmp_path_factory.mktemp("data") / "toy.npz"
    np.savez(
        path,
        feature_indptr=np.cumsum([0, *features.sum(1)]),
        feature_indices=np.nonzero(features)[1],
        feature_shape=features.shape,
        adj_indptr=np.cumsum([0, *links.sum(1)]),
        adj_indices=np.nonzero(links)[1],
        labels=labels,
        train_idx=order[:15],
        val_idx=order[15:45],
        test_idx=order[45:],
    )
    return str(path), links, features, labels


@pytest.fixture(scope="module")
def quick(data, tmp_path_factory):
    directory = tmp_path_factory.mktemp("graph")
    folders = {name: str(directory / name) for name in ("runs", "pictures", "saved_models")}
    arguments = {"data": data[0], "quick": True, **folders}
    return directory, arguments, graph_attention.main(**arguments)


@pytest.mark.ci
def test_the_quick_run_writes_figures_a_picture_and_a_model(quick):
    directory, _, figures = quick
    name = "graph_attention_toy_gat_quick"
    assert [result["seed"] for result in figures["seeds"]] == [0, 1]
    accuracies = [result["test accuracy"] for result in figures["seeds"]]
    assert figures["test accuracy, mean"] == pytest.approx(np.mean(accuracies), abs=1e-4)
    assert (directory / f"pictures/{name}.png").read_bytes()[:4] == b"\x89PNG"
    assert (directory / f"runs/{name}-seed0/figures.json").exists()


@pytest.mark.ci
def test_the_export_classifies_other_graphs_alone_and_in_a_batch(quick, data):
    directory, *_ = quick
    graph = citations.load(data[0])
    inputs, _ = graph_attention.make_batch(graph)
    parts = {
        "words": inputs["words"][:, :7],
        "edges": np.array([[[0, 1], [2, 1], [6, 5]]], "int32"),
    }
    parts["edge_mask"] = np.array([[True, True, False]])
    twice = {key: np.repeat(array, 2, axis=0) for key, array in parts.items()}
    path = directory / "saved_models/graph_attention_toy_gat_quick/1"
    whole, single, batched = run_calls(path, [("classify", x) for x in (inputs, parts, twice)])
    assert whole["probabilities"].shape == (1, NODES, CLASSES)
    assert whole["weights"].shape == (1, len(graph.edges))
    assert single["weights"][0, 2] == 0 < single["weights"][0, 0]
    for name, array in single.items():
        np.testing.assert_allclose(batched[name], np.repeat(array, 2, axis=0), atol=1e-6)


@pytest.mark.ci
def test_a_second_run_resumes_and_has_the_same_results(quick, capsys, recorded_exports):
    _, arguments, figures = quick
    assert graph_attention.main(**arguments)["seeds"] == figures["seeds"]
    assert "Resuming after epoch 2" in capsys.readouterr().out
    assert len(recorded_exports) == 1


def test_the_loaded_graph_has_the_words_and_links_of_the_file(data):
    path, links, features, labels = data
    graph = citations.load(path)
    table = np.zeros_like(links)
    table[tuple(graph.edges.T)] = True
    np.testing.assert_array_equal(table, links & ~np.eye(NODES, dtype=bool))
    assert len(graph.edges) == table.sum()
    for words, row in zip(graph.words, features, strict=True):
        assert (words[words > 0] - 1).tolist() == np.flatnonzero(row).tolist()
    assert graph.size == WORDS + 1
    np.testing.assert_array_equal(graph.labels, labels)


def test_a_missing_file_is_refused_and_the_error_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setenv("PLANETOID_DIR", str(tmp_path))
    with pytest.raises(
        ValueError, match="data='cora', but .*cora.npz.*examples.datasets.planetoid"
    ):
        citations.load("cora")


def make_planetoid_files(links, features, labels):
    """Return the files of a graph with 49 test nodes, and a last node without a record."""
    order = np.random.default_rng(1).permutation(np.arange(40, NODES - 1))
    one_hot = np.eye(CLASSES, dtype="int32")[labels]
    words = scipy.sparse.csr_matrix(features.astype("float32"))
    objects = {
        "x": words[:10],
        "y": one_hot[:10],
        "allx": words[:40],
        "ally": one_hot[:40],
        "tx": words[order],
        "ty": one_hot[order],
        "graph": collections.defaultdict(
            list, {n: np.flatnonzero(row).tolist() for n, row in enumerate(np.triu(links))}
        ),
    }
    files = {name: pickle.dumps(x, protocol=4) for name, x in objects.items()}
    return {**files, "test.index": "\n".join(map(str, order)).encode()}


def test_planetoid_files_are_converted(data, tmp_path):
    path, links, features, labels = data
    arrays = planetoid.convert(make_planetoid_files(links, features, labels))
    np.savez(tmp_path / "converted.npz", **arrays)
    graph, expected = citations.load(tmp_path / "converted.npz"), citations.load(path)
    np.testing.assert_array_equal(graph.edges, expected.edges)
    np.testing.assert_array_equal(graph.words[:-1], expected.words[:-1])
    np.testing.assert_array_equal(graph.labels[:-1], expected.labels[:-1])
    assert not graph.words[-1].any() and graph.labels[-1] == -1
    assert graph.parts["training"].tolist() == list(range(10))
    assert graph.parts["test"].tolist() == list(range(40, NODES - 1))
    sizes = NODES, np.triu(links).sum(), WORDS, CLASSES
    assert planetoid.measure_sizes(arrays) == sizes


def test_a_pickle_that_would_run_code_is_refused(data):
    files = make_planetoid_files(*data[1:])
    files["graph"] = b"cos\nsystem\n(S'true'\ntR."
    with pytest.raises(pickle.UnpicklingError, match="Received: os.system"):
        planetoid.convert(files)


def make_inputs(data):
    inputs, _ = graph_attention.make_batch(citations.load(data[0]))
    return inputs


def test_gcn_equals_the_product_with_the_normalized_table_of_links(data):
    _, links, features, _ = data
    network = graph_networks.make_network("gcn", WORDS + 1, CLASSES, units=2, heads=2)
    rng = np.random.default_rng(1)
    for weight in network.weights:
        weight.assign(rng.normal(size=weight.shape))
    table = (links | np.eye(NODES, dtype=bool)).astype("float64")
    scales = table.sum(1) ** -0.5
    table = scales[:, None] * table * scales
    kernel, bias, last_kernel, last_bias = network.get_weights()
    hidden = features / np.maximum(features.sum(1, keepdims=True), 1)
    hidden = np.maximum(table @ hidden @ kernel[1:] + bias, 0)
    logits = table @ hidden @ last_kernel + last_bias
    expected = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    actual = network(make_inputs(data))["probabilities"][0]
    np.testing.assert_allclose(actual, expected, atol=1e-5)


def test_constant_weights_are_equal_and_stay_so(data):
    network = graph_networks.make_network("constant", WORDS + 1, CLASSES)
    assert len(network.trainable_variables) == 4
    weights = network(make_inputs(data))["weights"][0].numpy()
    receivers = citations.load(data[0]).edges[:, 1]
    np.testing.assert_allclose(weights, 1 / (np.bincount(receivers)[receivers] + 1), rtol=1e-5)


def test_mlp_does_not_depend_on_the_edges(data):
    network = graph_networks.make_network("mlp", WORDS + 1, CLASSES)
    inputs = make_inputs(data)
    expected = network(inputs)["probabilities"]
    inputs["edges"] = inputs["edges"][:, ::-1] * 0
    np.testing.assert_array_equal(network(inputs)["probabilities"], expected)


def test_words_are_projected_by_their_shares_and_dropout_keeps_the_mean():
    words = tf.constant([[[1, 2, 0], [3, 0, 0]]] * 500)
    layer = graph_networks.WordProjection(4, 4, dropout=0.5)
    layer.build(words.shape)
    layer.kernel.assign(np.eye(4))
    expected = [[0, 0.5, 0.5, 0], [0, 0, 0, 1]]
    np.testing.assert_allclose(layer(words)[0], expected)
    shares = layer(words, training=True).numpy()
    assert set(shares[:, 0].ravel().tolist()) == {0.0, 1.0}
    np.testing.assert_allclose(shares.mean(0), expected, atol=0.15)


def test_network_equals_graph_attention_on_the_table_of_words(data):
    network = graph_networks.make_network("gat", WORDS + 1, CLASSES, units=2, heads=3)
    features, inputs = data[2].astype("float32")[None], make_inputs(data)
    layer = keras_attention.GraphAttention(2, 3, activation="elu")
    layer.build([features.shape, inputs["edges"].shape])
    kernel, _, *others = (v.numpy() for v in network.weights[:5])
    layer.set_weights([kernel[1:], *others])
    hidden = layer([features / np.maximum(features.sum(-1, keepdims=True), 1), inputs["edges"]])
    expected = network.get_layer("classes")([hidden, inputs["edges"]])
    np.testing.assert_allclose(network(inputs)["probabilities"], expected, atol=1e-6)


def test_best_weights_are_kept_by_the_rule_of_the_authors():
    network = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    training = ValidatedTraining(network, patience=3)
    training.compile(keras.optimizers.SGD(0.0))
    training.optimizer.build(network.trainable_variables)
    # Loss, accuracy, and whether the weights are kept.
    steps = [
        (1.0, 0.5, True),
        (0.9, 0.4, False),  # only the loss is the best one
        (1.2, 0.6, False),  # only the accuracy
        (0.8, 0.6, True),
        (0.9, 0.5, False),
        (0.9, 0.5, False),
        (0.8, 0.5, False),  # progress, after two steps without
        (0.9, 0.5, False),
        (0.9, 0.5, False),
        (0.9, 0.5, False),
        (0.1, 0.9, False),  # after the end
    ]
    expected = None
    for number, (loss, accuracy, is_kept) in enumerate(steps):
        network.set_weights([np.full((1, 1), number), np.zeros(1)])
        training._keep_best(tf.constant(loss), tf.constant(accuracy))
        expected = number if is_kept else expected
        assert training.kept[0].numpy() == expected, number
    assert training.waited.numpy() >= 3
    training.restore_best()
    assert network.get_weights()[0] == 3


def test_loss_and_accuracy_are_those_of_the_marked_nodes():
    probabilities = tf.constant([[[0.5, 0.5], [0.9, 0.1], [0.2, 0.8], [1.0, 0.0]]])
    labels, nodes = tf.constant([[1, 0, 0, -1]]), tf.constant([[False, True, True, False]])
    loss, accuracy = measure(probabilities, labels, nodes)
    np.testing.assert_allclose(loss, -(np.log(0.9) + np.log(0.2)) / 2, rtol=1e-5)
    assert accuracy == 0.5
