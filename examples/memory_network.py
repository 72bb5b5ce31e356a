"""Questions about short stories (bAbI), answered by end-to-end memory networks.

    "Lily is a swan. Lily is white. Bernhard is a swan." "What color is Bernhard?"  ->  white

    python examples/memory_network.py                       # all 20 tasks, a network for each
    python examples/memory_network.py --task 16             # one task
    python examples/memory_network.py --hops 1              # a single hop
    python examples/memory_network.py --start softmax       # without the linear start
    python examples/memory_network.py --supervised          # hops are shown the supporting facts
    python examples/memory_network.py --task joint --units 50 --epochs 60   # one network for all

Each hop attends to one of the facts that the answer needs. For each task, several networks with
different initial weights are trained at once, and the one with the lowest training error is used,
as in the paper (Sukhbaatar et al. 2015). The example plots the hops over the facts of some
questions, and exports an `answer` signature: facts and a question as text -> the answer and the
weights of each hop. The run can be interrupted at any time: the same command resumes it.

The paper's mean test error over the 20 tasks is 13.9 % (3 hops, position encoding, linear start,
random noise, best of 10 networks by training error). docs/results.md has the results of this
example. Differs from the paper: the linear start lasts 20 epochs, as in the authors' code, and not
until the validation loss stops falling; the networks of a task are trained on the same batches.
"""

import sys
from pathlib import Path

import keras
import numpy as np

if not __package__:  # run as `python examples/memory_network.py`, from any directory
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import keras_attention
from examples.command_line import run
from examples.datasets import babi
from examples.memory_networks import MemoryNetworks, make_network
from examples.report import Report
from examples.served_memory_network import export
from examples.story_questions import Problem
from examples.training import check_folders, sum_minutes, train

LINEAR_EPOCHS, LINEAR_RATE = 20, 0.005  # of the linear start
RATE, EPOCHS_PER_HALVING = 0.01, 25
SHOWN_TASKS = ("2", "14", "15", "16")  # in the plot, if they are trained
EXPORTED_TASK = "16"  # if it is trained
TASKS = ("all", "joint", *map(str, babi.TASKS))
ENCODINGS = ("authors", "paper", "none")


def main(
    task="all",
    hops=3,
    restarts=10,
    units=20,
    epochs=100,
    encoding="authors",
    start="linear",
    supervised=False,
    seed=0,
    quick=False,
    runs="runs",
    pictures="docs/pictures",
    saved_models="saved_models",
):
    """Train or resume, evaluate, plot and export; return the metrics.

    Args:
        task: The number of a task; "all" for a network for each task; "joint" for one network.
        hops: Number of hops.
        restarts: Number of networks for each task, of which one is chosen.
        units: Width of the embeddings.
        epochs: Number of epochs, those of the linear start included.
        encoding: The position encoding of the words.
        start: Whether training starts without the softmax.
        supervised: Whether hop k is trained to attend to the k-th supporting fact.

    The other arguments are described in `examples.command_line`.
    """
    if quick:
        epochs, restarts, task = 4, 2, "16" if task == "all" else task
    keras.utils.set_random_seed(seed)
    settings = {"hops": hops, "restarts": restarts, "units": units, "epochs": epochs}
    settings |= {"encoding": encoding, "start": start, "supervised": supervised, "seed": seed}
    # The names of the run and of its files have the options that are not the defaults.
    is_changed = {
        f"{hops}_hops": hops != 3,
        f"{encoding}_encoding": encoding != "authors",
        "softmax_start": start != "linear",
        "supervised": supervised,
        "quick": quick,
    }
    name = "_".join(["memory_network", *(part for part, used in is_changed.items() if used)])
    directory = Path(runs) / f"{name}-seed{seed}"  # of all tasks, one folder for each
    name += "" if task == "all" else f"_qa{task}"
    report = Report(directory if task == "all" else directory / f"qa{task}", seed)
    results = {}
    for number in map(str, babi.TASKS) if task == "all" else [task]:
        problem = Problem(number, hops, seed, max_questions=160 if quick else None)
        networks = make_networks(problem, settings)
        folders = {"pictures": pictures, "saved_models": saved_models}
        check_folders(networks, runs=directory / f"qa{number}", **folders)
        curve = train_networks(networks, problem, settings, directory / f"qa{number}")
        best, figures = evaluate(networks, problem)
        print(f"Task {number}: {figures}")
        network = make_best_network(networks, problem, settings, best)
        results[number] = problem, network, curve, figures
    shown = [results[n] for n in SHOWN_TASKS if n in results] or [*results.values()]
    draw(shown, Path(pictures) / f"{name}.png")
    problem, network, *_ = results.get(EXPORTED_TASK, results[number])
    path = export(network, problem, Path(saved_models) / name)
    *_, curves, tasks = zip(*results.values(), strict=True)
    summary = {
        **settings,
        "mean test error": average(tasks, "test error"),
        "mean test error of the median network": average(tasks, "median test error"),
        "tasks with a test error above 5 %": sum(t["test error"] > 0.05 for t in tasks),
        **sum_minutes([epoch for curve in curves for epoch in curve]),
        "tasks": dict(zip(results, tasks, strict=True)),
        "validation error by epoch (curve)": {
            number: [round(epoch["validation error"], 3) for epoch in curve]
            for number, curve in zip(results, curves, strict=True)
        },
    }
    report.write(summary, path)
    return summary


def average(tasks, name):
    """Return the mean of a figure over the tasks."""
    return round(float(np.mean([figures[name] for figures in tasks])), 4)


def make_networks(problem, settings, **options):
    """Return the `MemoryNetworks` of a task, with different initial weights."""
    sizes = problem.sentences, len(problem.vocabulary), problem.places, settings["restarts"]
    rngs = [np.random.default_rng([problem.seed, 2, r]) for r in range(settings["restarts"])]
    networks = MemoryNetworks(
        *sizes,
        units=settings["units"],
        hops=settings["hops"],
        encoding=get_encoding(settings),
        is_supervised=settings["supervised"],
        rngs=rngs,
        **options,
    )
    networks.compile(keras.optimizers.SGD(), jit_compile=True)
    return networks


def get_encoding(settings):
    """Return the `position_encoding` of `keras_attention.BagOfWords`."""
    return None if settings["encoding"] == "none" else settings["encoding"]


def train_networks(networks, problem, settings, directory):
    """Train or resume the networks of a task, without the softmax first; return the curve."""
    epochs, steps = settings["epochs"], int(problem.make_batches(0).cardinality())
    linear_epochs = min(LINEAR_EPOCHS, epochs // 2) if settings["start"] == "linear" else 0
    halvings = [n for n in range(EPOCHS_PER_HALVING, epochs, EPOCHS_PER_HALVING)]
    rate = RATE
    if halvings:
        rate = keras.optimizers.schedules.PiecewiseConstantDecay(
            [(epoch - linear_epochs) * steps - 1 for epoch in halvings],
            [RATE / 2**number for number in range(len(halvings) + 1)],
        )
    linear = make_networks(problem, settings, normalize="linear", share=networks)
    phases = [
        (linear, LINEAR_RATE, range(linear_epochs), directory / "linear_start"),
        (networks, rate, range(linear_epochs, epochs), directory),
    ]
    curve = []
    for model, learning_rate, numbers, folder in phases:
        optimizer = keras.optimizers.SGD(learning_rate)
        # One execution for all steps of an epoch, because each step takes less than its dispatch.
        model.compile(optimizer, jit_compile=True, steps_per_execution=steps)
        if numbers:
            curve += train(
                model,
                lambda epoch, first=numbers[0]: problem.make_batches(first + epoch),
                len(numbers),
                folder,
                settings,
                lambda epoch, model=model: {
                    "validation error": np.mean(problem.test(model, "validation").errors)
                },
            )
    return curve


def evaluate(networks, problem):
    """Choose a network by training error; return its number, and the figures of all networks."""
    training, validation, test = (
        problem.test(networks, part) for part in ("training", "validation", "test")
    )
    # The loss decides between networks of the same training error.
    best = int(np.lexsort((training.losses, training.errors))[0])
    supporting = problem.encoded["test"].supporting
    attended = test.weights[:, best].argmax(axis=-1)  # (N, hops)
    is_support = (attended[..., None] == supporting[:, None, :]).any(axis=-1)
    return best, {
        "test error": round(float(test.errors[best]), 4),
        "training error": round(float(training.errors[best]), 4),
        "validation error": round(float(validation.errors[best]), 4),
        "median test error": round(float(np.median(test.errors)), 4),
        "test errors of all networks": [round(float(error), 4) for error in test.errors],
        "largest weight on a supporting fact, by hop": is_support.mean(axis=0).round(3).tolist(),
    }


def make_best_network(networks, problem, settings, best):
    """Return the chosen network as a model of this package's layers."""
    network = make_network(
        *(len(problem.vocabulary), problem.vocabulary.length, problem.places),
        units=settings["units"],
        hops=settings["hops"],
        encoding=get_encoding(settings),
    )
    networks.copy_to(network, best)
    return network


def draw(results, path):
    """Plot the weights of each hop for a test question of each task that is answered correctly."""
    panels = []
    for problem, network, *_ in results:
        for question in sorted(problem.questions["test"], key=lambda q: abs(len(q.facts) - 8)):
            inputs = problem.make_inputs([question])
            outputs = network(inputs)
            answer = problem.vocabulary.words[int(np.argmax(outputs["probabilities"][0]))]
            if answer == question.answer:
                break
        facts = question.facts[-problem.places :]
        first = len(question.facts) - len(facts)
        rows = [
            f"{'* ' if index in question.supporting else ''}{fact}"
            for index, fact in enumerate(facts, start=first)
        ]
        weights = np.transpose(outputs["weights"][0])[: len(facts)]
        panels.append((weights, rows, f"{question.text} {answer}"))
    weights, rows, titles = zip(*panels, strict=True)
    columns = [[f"hop {hop + 1}" for hop in range(w.shape[1])] for w in weights]
    keras_attention.visualize.heatmap(weights, columns, rows, titles=titles, path=path)
    print(f"Hops over the facts of {len(panels)} questions (* supporting facts) plotted in {path}")


if __name__ == "__main__":
    run(main, task=TASKS, encoding=ENCODINGS, start=("linear", "softmax"))
