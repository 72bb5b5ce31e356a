"""Subjects of papers by attention to the papers they cite, on Cora and Citeseer.

    python examples/graph_attention.py                        # GAT (Veličković et al. 2018) on Cora
    python examples/graph_attention.py --data citeseer
    python examples/graph_attention.py --model gcn            # fixed weights; also constant, mlp

A node of the graph is a paper, given by its words; 140 papers of Cora have known subjects. The
network is trained from 20 different seeds, and the result is the mean accuracy on 1,000 other
papers. All settings are the paper's: two layers, 8 heads of 8 units and ELU, then one head; dropout
of 0.6 for inputs and for attention weights; Adam with a rate of 0.005; L2 of 0.0005.

Training stops by the validation papers alone, by the rule of the authors' code: see
`validated_training.py`. The test papers are evaluated once for each seed, with the weights that the
rule kept. The example plots the weights with which a paper's neighborhood is read, and exports the
network of the first seed as a `classify` signature, which takes any graph.

Differs from the authors' code: dropout of the words is shared by the heads; the score's products
have no biases, as in the paper. docs/results.md has the figures.
"""

import math
import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

if not __package__:  # run as `python examples/graph_attention.py`, from any directory
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import keras_attention
from examples.command_line import run
from examples.datasets import citations
from examples.graph_networks import MODELS, make_network
from examples.report import Report
from examples.training import check_folders, sum_minutes, train
from examples.validated_training import ValidatedTraining
from keras_attention.export import Spec

STEPS = 50  # of training between two checkpoints
MAX_STEPS = 10_000
PATIENCE = 100
LEARNING_RATE = 5e-3
MAX_DRAWN_NODES = 40


def main(
    data="cora",
    model="gat",
    seeds=20,
    seed=0,
    quick=False,
    runs="runs",
    pictures="docs/pictures",
    saved_models="saved_models",
):
    """Train or resume, evaluate, plot and export; return the results.

    Args:
        data: "cora", "citeseer", or an .npz file as `examples.datasets.citations` describes.
        model: The network; "constant" is a GAT with equal weights, "mlp" one without edges.
        seeds: Number of trainings, each with a seed of its own; the first one is `seed`.

    The other arguments are described in `examples.command_line`.
    """
    steps, max_steps, patience = STEPS, MAX_STEPS, PATIENCE
    if quick:
        seeds, steps, max_steps, patience = min(seeds, 2), 5, 10, 8
    name = "_".join(["graph_attention", Path(data).stem, model, *["quick"] * quick])
    graph = citations.load(data)
    inputs, batch = make_batch(graph)
    classes = int(graph.labels.max()) + 1

    def make_training():
        training = ValidatedTraining(make_network(model, graph.size, classes), patience)
        training.compile(keras.optimizers.Adam(LEARNING_RATE), jit_compile=True)
        training.optimizer.build(training.trainable_variables)
        return training

    keras.utils.set_random_seed(seed)
    training = make_training()
    network = training.network
    directory = Path(runs) / f"{name}-seed{seed}"
    check_folders(training, runs=directory, pictures=pictures, saved_models=saved_models)
    report = Report(directory, seed)
    print(f"{name}: {len(graph.labels)} nodes, {len(graph.edges)} edges, {classes} classes")
    settings = {"steps": max_steps, "patience": patience, "learning rate": LEARNING_RATE}
    results, curves, first_weights = [], [], None
    for number in range(seed, seed + seeds):
        restart(training, make_training, number)
        curve = train(
            training,
            lambda epoch: tf.data.Dataset.from_tensors(batch).repeat(steps),
            max_steps // steps,
            Path(runs) / f"{name}-seed{number}",
            {**settings, "seed": number},
            stop=lambda curve: bool(curve) and curve[-1]["steps without progress"] >= patience,
        )
        training.restore_best()
        probabilities = network(inputs)["probabilities"].numpy()[0]
        results.append({"seed": number, **evaluate(graph, probabilities, curve)})
        print(results[-1])
        first_weights = first_weights or network.get_weights()
        curves.append(curve)
    network.set_weights(first_weights)
    accuracies = [result["test accuracy"] for result in results]
    figures = {
        **settings,
        "weights": sum(math.prod(v.shape) for v in network.trainable_variables),
        **sum_minutes(sum(curves, [])),
        "test accuracy, mean": round(float(np.mean(accuracies)), 4),
        "test accuracy, standard deviation": round(float(np.std(accuracies)), 4),
        "seeds": results,
        "learning curve of the first seed": curves[0],
    }
    if "weights" in network.output:
        draw(graph, network(inputs), Path(pictures) / f"{name}.png")
    path = export(network, graph, inputs, Path(saved_models) / name)
    report.write(figures, path)
    return figures


def make_batch(graph):
    """Return the network's inputs, and the batch of a training step: inputs, labels and nodes."""
    inputs = {
        "words": graph.words[None],
        "edges": graph.edges[None],
        "edge_mask": np.ones((1, len(graph.edges)), bool),
    }
    nodes = np.zeros((1, len(graph.labels), 2), bool)
    for column, part in enumerate(("training", "validation")):
        nodes[0, graph.parts[part], column] = True
    return inputs, (inputs, graph.labels[None], nodes)


def restart(training, make_training, seed):
    """Give all variables of a training the values of a new one, without compiling it again."""
    keras.utils.set_random_seed(seed)
    fresh = make_training()
    pairs = ((t.variables, t.optimizer.variables) for t in (training, fresh))
    for variables, values in zip(*pairs, strict=True):
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)


def evaluate(graph, probabilities, curve):
    """Return the accuracies of the validation and test nodes, and the step that was kept."""
    is_right = probabilities.argmax(-1) == graph.labels
    accuracies = {
        f"{part} accuracy": round(float(is_right[graph.parts[part]].mean()), 4)
        for part in ("validation", "test")
    }
    return {**accuracies, "best step": int(curve[-1]["best step"])}


def draw(graph, outputs, path):
    """Plot the neighborhood of a test node that has neighbors of several classes."""
    weights = outputs["weights"].numpy()[0]
    predicted = outputs["probabilities"].numpy()[0].argmax(-1)
    center = choose_node(graph, predicted)
    labels = [f"class {number}" for number in predicted]
    keras_attention.visualize.graph(graph.edges, weights, labels, center, hops=2, path=path)
    print(f"The neighborhood of node {center} plotted in {path}")


def choose_node(graph, predicted):
    """Return the test node whose neighborhood, of a size that can be drawn, has most classes."""
    neighbors = [set() for _ in graph.labels]
    for sender, receiver in graph.edges:
        neighbors[receiver].add(int(sender))

    def count_classes(node):
        around = neighbors[node].union(*(neighbors[n] for n in neighbors[node]))
        if len(around) > MAX_DRAWN_NODES or len(neighbors[node]) < 4:
            return 0
        return len({int(predicted[n]) for n in neighbors[node]})

    return int(max(graph.parts["test"], key=count_classes))


def export(network, graph, inputs, directory):
    """Export a SavedModel with the signature `classify`, for any number of graphs of any size."""
    specs = [
        Spec("words", (None, "nodes", "words"), "int32", below=graph.size),
        Spec("edges", (None, "edges", 2), "int32", below="nodes"),
        Spec("edge_mask", (None, "edges"), "bool"),
    ]

    @tf.function
    def classify(words, edges, edge_mask):
        return network({"words": words, "edges": edges, "edge_mask": edge_mask})

    few = 5, 4  # nodes and edges of a small example
    small = {
        "words": inputs["words"][:, : few[0]],
        "edges": np.array([[[0, 1], [1, 0], [2, 3], [0, 0]]], "int32"),
        "edge_mask": np.array([[True, True, True, False]]),
    }
    path = keras_attention.export.saved_model(
        network,
        directory,
        signatures={"classify": (classify, specs)},
        example=[small, {key: np.repeat(array, 2, axis=0) for key, array in small.items()}],
    )
    print(keras_attention.export.how_to_serve(path))
    return path


if __name__ == "__main__":
    run(main, model=MODELS)
