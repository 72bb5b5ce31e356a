r"""Train a Neural Turing Machine on five algorithms (Graves et al. 2014).

    copy: the vectors a b c and a delimiter  ->  a b c, written from memory

    python examples/neural_turing_machine.py                           # copy, LSTM controller
    python examples/neural_turing_machine.py --controller feedforward --batch 2 --rate 0.001
    python examples/neural_turing_machine.py --task associative_recall --controller feedforward \
        --sequences 50000 --batch 2 --rate 0.001
    python examples/neural_turing_machine.py --controller baseline     # three LSTMs, no memory

A controller processes a sequence and controls heads that write to a memory and read from it. The
example trains the network on new random sequences under XLA, tests it on new ones and on longer
ones, plots the memory step by step, exports the model, and checks the export without Python. One
plot has the learning curves of all controllers that were trained on the task with the same seed.
The run can be interrupted at any time: the same command resumes it after the last completed
thousand sequences.

Bits per sequence on 640 new sequences with these commands, the paper's in brackets:

    copy, LSTM                  0.0001 after 20 thousand sequences (0.00)
    copy, feed-forward          below 0.000001 after 20 thousand (0.02 after 50 thousand)
    recall, feed-forward        below 0.000001 after 50 thousand (0.01)
    copy, LSTM without memory   22 after 20 thousand (8.3 after 70 thousand)

docs/results.md has longer sequences and the other tasks, of which only repeat copy is learned.
Differs from the paper: Adam (beta_2 0.99, global gradient norm clipped to 1, cosine schedule)
instead of RMSProp; batches of 2 or 4; the heads start at the first slot, and the memory starts
constant.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf
from keras import ops

if not __package__:  # run as `python examples/neural_turing_machine.py`, from any directory
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import keras_attention
from examples import curves, distribution
from examples.command_line import run
from examples.datasets import algorithms
from examples.datasets.algorithms import NOTHING, make_batch
from examples.report import Report
from examples.training import as_dataset, check_folders, sum_minutes, train

SEQUENCES_PER_EPOCH = 1000
TEST_SEQUENCES = 640  # of the lengths of training
LONGER_TEST_SEQUENCES = 100  # for each of the longer lengths
FIGURE = "bits per sequence"


class Task(NamedTuple):
    """An algorithm, the sizes of the paper's networks for it, and the paper's results."""

    episode: Callable
    steps: int  # length of the longest episode in training
    sizes: dict  # {controller: (number of read heads, also of write heads; units of each layer)}
    longer: list  # arguments of test episodes that are longer than in training
    film: dict  # arguments of the episode that is plotted
    paper: dict  # {label: bits per sequence}, read from the paper's plots


TASKS = {
    "copy": Task(
        algorithms.copy,
        steps=41,
        sizes={"lstm": (1, [100]), "feedforward": (1, [100]), "baseline": (0, [256] * 3)},
        longer=[{"length": length} for length in (10, 20, 30, 40, 50, 80, 120)],
        film={"length": 30},
        paper={
            "paper, feed-forward at 50 thousand": 0.02,
            "paper, no memory at 1000 thousand": 0.40,
        },
    ),
    "repeat_copy": Task(
        algorithms.repeat_copy,
        steps=112,
        sizes={"lstm": (1, [100]), "feedforward": (1, [100]), "baseline": (0, [512] * 3)},
        longer=[{"length": 20, "repeats": 10}, {"length": 10, "repeats": 20}],
        film={"length": 7, "repeats": 5},
        paper={"paper, LSTM at 163 thousand": 1.7},
    ),
    "associative_recall": Task(
        algorithms.associative_recall,
        steps=32,
        sizes={"lstm": (1, [100]), "feedforward": (4, [256]), "baseline": (0, [256] * 3)},
        longer=[{"items": items} for items in (6, 8, 10, 12, 15, 20)],
        film={"items": 6},
        paper={"paper, feed-forward at 50 thousand": 0.01, "paper, no memory, minimum": 0.73},
    ),
    "ngrams": Task(
        algorithms.ngrams,
        steps=200,
        sizes={"lstm": (1, [100]), "feedforward": (1, [100]), "baseline": (0, [128] * 3)},
        longer=[],
        film={},
        paper={},
    ),
    "priority_sort": Task(
        algorithms.priority_sort,
        steps=37,
        sizes={"lstm": (5, [100] * 2), "feedforward": (8, [512]), "baseline": (0, [128] * 3)},
        longer=[],
        film={},
        paper={"paper, LSTM, minimum": 17.4, "paper, no memory, minimum": 56.0},
    ),
}
LABELS = {"lstm": "NTM, LSTM", "feedforward": "NTM, feed-forward", "baseline": "LSTM, no memory"}
CONTROLLERS = tuple(LABELS)


def main(
    task="copy",
    controller="lstm",
    sequences=20_000,
    batch=4,
    rate=3e-3,
    seed=0,
    strategy="none",
    quick=False,
    runs="runs",
    pictures="docs/pictures",
    saved_models="saved_models",
):
    """Train or resume, test, plot and export; return the metrics of the test.

    Args:
        task: The algorithm to learn.
        controller: The controller of the NTM, or a baseline of three LSTM layers without memory.
        sequences: Number of training sequences.
        batch: Number of sequences in a batch.
        rate: Initial learning rate.

    The other arguments are described in `examples.command_line`.
    """
    if batch < 1 or sequences < 1 or sequences % SEQUENCES_PER_EPOCH or SEQUENCES_PER_EPOCH % batch:
        raise ValueError(
            f"Expected `sequences` to be a multiple of {SEQUENCES_PER_EPOCH}, and `batch` to "
            f"divide {SEQUENCES_PER_EPOCH}. Received: sequences={sequences}, batch={batch}"
        )
    epochs, steps = sequences // SEQUENCES_PER_EPOCH, SEQUENCES_PER_EPOCH // batch
    epochs, steps = (2, 2) if quick else (epochs, steps)
    counts = (8, 2) if quick else (TEST_SEQUENCES, LONGER_TEST_SEQUENCES)
    name = f"ntm_{task}" + ("" if controller == "lstm" else f"_{controller}")
    name += "_quick" if quick else ""
    directory = Path(runs) / f"{name}-seed{seed}"
    report = Report(directory, seed)
    devices = distribution.strategy(strategy)
    keras.utils.set_random_seed(seed)
    algorithm = TASKS[task]
    schedule = keras.optimizers.schedules.CosineDecay(rate, epochs * steps)
    with devices.scope():
        model = make_network(algorithm, controller)
        # A large gradient, which is rare, shortens Adam's later steps; with a small beta_2 they
        # soon regain their length.
        optimizer = keras.optimizers.Adam(schedule, beta_2=0.99, global_clipnorm=1)
        model.compile(optimizer, compute_bits, jit_compile=True)
    check_folders(model, runs=directory, pictures=pictures, saved_models=saved_models)
    print(f"{name}: {model.count_params():,} weights")
    curve = train(
        model,
        lambda epoch: make_batches(algorithm, batch, steps, [seed, epoch]),
        epochs,
        directory,
        {"sequences": epochs * steps * batch, "batch": batch, "rate": rate, "seed": seed},
    )
    # This seed differs from the seeds of all epochs, which have two numbers.
    rng = np.random.default_rng([seed, epochs, 1])
    figures = evaluate(model, algorithm, rng, *counts)
    picture = Path(pictures) / f"{name}.png"
    outputs = draw_memory(model, algorithm, controller, rng, picture)
    path = export(outputs, algorithm, rng, Path(saved_models) / name)
    details = {**figures, "weights": model.count_params(), "curve": curve, **sum_minutes(curve)}
    report.write(details, path)
    draw_curves(Path(runs), name, task, seed, Path(pictures))
    print(keras_attention.export.how_to_serve(path))
    return figures


def make_network(task, controller, return_addresses=False):
    """Return a model: sequences -> logits of the bits.

    With `return_addresses`, its outputs are the dict of `NTMCell.split_outputs`.
    """
    inputs, targets = task.episode(np.random.default_rng(0))
    (_, channels), (_, bit_count) = inputs.shape, targets.shape
    heads, units = task.sizes[controller]
    sequence = keras.Input((None, channels), name="sequence")
    if controller == "baseline":
        states = sequence
        for width in units:
            states = keras.layers.LSTM(width, return_sequences=True, use_cudnn=False)(states)
        return keras.Model(sequence, keras.layers.Dense(bit_count)(states))
    cells = [keras.layers.LSTMCell(width) for width in units]
    one_layer = {"controller": controller, "controller_units": units[0]}
    cell = keras_attention.NTMCell(
        bit_count,
        read_heads=heads,
        write_heads=heads,
        address_start="first",
        return_addresses=return_addresses,
        **({"controller": keras.layers.StackedRNNCells(cells)} if len(units) > 1 else one_layer),
    )
    outputs = keras.layers.RNN(cell, return_sequences=True)(sequence)
    return keras.Model(
        sequence, cell.split_outputs(outputs)._asdict() if return_addresses else outputs
    )


def compute_bits(targets, logits):
    """Return the loss `(batch,)`, the cross entropy of each sequence in bits."""
    costs = ops.maximum(logits, 0) - logits * targets + ops.log1p(ops.exp(-ops.abs(logits)))
    return ops.sum(ops.where(targets == NOTHING, 0.0, costs), axis=(1, 2)) / np.log(2)


def make_batches(task, batch, steps, seed):
    """Return a data set of `steps` new random batches, all padded to the maximum length."""
    rng = np.random.default_rng(seed)
    generated = (make_batch(task.episode, batch, rng, task.steps) for _ in range(steps))
    return as_dataset(list(generated))


def evaluate(model, task, rng, count, count_longer):
    """Return metrics on new sequences of the lengths of training, and on longer sequences."""
    predict = tf.function(lambda sequence: model(sequence, training=False), jit_compile=True)
    inputs, targets = make_batch(task.episode, count, rng, task.steps)
    logits = predict(inputs).numpy()
    figures = measure_errors(logits, targets)
    if task.episode is algorithms.ngrams:
        optimum = np.mean([algorithms.compute_optimal_bits(sequence) for sequence in targets])
        figures["bits of the best predictor"] = float(optimum)
    if task.episode is algorithms.copy:
        lengths = (targets[..., 0] != NOTHING).sum(axis=1)
        figures["bits by length"] = {
            int(length): measure_errors(logits[lengths == length], targets[lengths == length])[
                FIGURE
            ]
            for length in np.unique(lengths)
        }
    steps = max([len(task.episode(rng, **kind)[0]) for kind in task.longer], default=0)
    # All sequences are padded to the same length, so that one compiled program is enough.
    for options in task.longer:
        inputs, targets = make_batch(task.episode, count_longer, rng, steps, **options)
        logits = predict(inputs).numpy()
        kind = ", ".join(f"{name} {number}" for name, number in options.items())
        figures[kind] = measure_errors(logits, targets)
        if task.episode is algorithms.copy:
            figures[kind] |= count_duplicates(logits, targets)
    return figures


def measure_errors(logits, targets):
    """Return the mean cross entropy in bits, wrong bits, and share of sequences without errors."""
    is_target = targets != NOTHING
    wrong = (is_target & ((logits > 0) != (targets > 0))).sum(axis=(1, 2))
    return {
        FIGURE: float(ops.mean(compute_bits(targets, logits))),
        "wrong bits per sequence": float(wrong.mean()),
        "sequences all right": float((wrong == 0).mean()),
    }


def count_duplicates(logits, targets):
    """Count the copies whose only errors are vectors written twice, an error in the paper too."""
    counts = []
    for written, target in zip(logits > 0, targets, strict=True):
        is_target = target[:, 0] != NOTHING
        counts.append(algorithms.count_vectors_written_twice(written[is_target], target[is_target]))
    twice = [count for count in counts if count]
    return {
        "sequences with one vector twice": twice.count(1),
        "sequences with several vectors twice": len(twice) - twice.count(1),
        "sequences with other errors": counts.count(None),
    }


def draw_memory(model, task, controller, rng, path):
    """Plot the memory during one episode; return the model to export.

    The outputs of that model are the probabilities of the bits and, for an NTM, the addresses. The
    baseline has no memory to plot.
    """
    if controller == "baseline":
        return keras.Model(model.input, {"probabilities": ops.sigmoid(model.output)})
    steps = make_network(task, controller, return_addresses=True)
    steps.set_weights(model.get_weights())
    names = "probabilities", "read_addresses", "write_addresses", "reads", "additions"
    parts = {name: steps.output[name] for name in names[1:]}
    outputs = keras.Model(steps.input, {names[0]: ops.sigmoid(steps.output["outputs"]), **parts})
    inputs, targets = make_batch(task.episode, 1, rng, **task.film)
    arrays = {name: part.numpy()[0] for name, part in tf.function(outputs)(inputs).items()}
    probabilities = np.where(targets[0] == NOTHING, 0, arrays.pop("probabilities"))
    path.parent.mkdir(parents=True, exist_ok=True)
    keras_attention.visualize.memory_film(
        **arrays, inputs=inputs[0], outputs=probabilities, path=path
    )
    print(f"Memory at each step plotted in {path}")
    return outputs


def export(outputs, task, rng, directory):
    """Export a model with the signatures `serving_default` and, for an NTM, `addresses`.

    `serving_default` returns the probabilities of the bits, `addresses` the addresses of the heads.
    """

    @tf.function
    def serve(sequence):
        return {"probabilities": outputs(sequence)["probabilities"]}

    @tf.function
    def addresses(sequence):
        return {
            name: part for name, part in outputs(sequence).items() if name.endswith("addresses")
        }

    signatures = {"serving_default": (serve, outputs.inputs)}
    if "read_addresses" in outputs.output:
        signatures["addresses"] = (addresses, outputs.inputs)
    examples = [make_batch(task.episode, count, rng)[0] for count in (1, 3)]
    return keras_attention.export.saved_model(
        outputs, directory, signatures, [{"sequence": sequence} for sequence in examples]
    )


def draw_curves(runs, name, task, seed, pictures):
    """Plot the learning curves of all controllers that were trained on this task with this seed."""
    quick = "_quick" if name.endswith("_quick") else ""
    by_label = {}
    for controller in LABELS:
        run_name = f"ntm_{task}" + ("" if controller == "lstm" else f"_{controller}") + quick
        file = runs / f"{run_name}-seed{seed}" / "figures.json"
        if file.exists():
            by_label[LABELS[controller]] = json.loads(file.read_text())["curve"]
    path = pictures / f"ntm_{task}_curve{quick}.png"
    curves.draw(
        by_label,
        "loss",
        path,
        "thousands of sequences",
        FIGURE,
        logarithmic=True,
        lines=TASKS[task].paper,
    )
    print(f"Learning curves plotted in {path}")


if __name__ == "__main__":
    run(main, task=TASKS, controller=CONTROLLERS, strategy=distribution.STRATEGIES)
