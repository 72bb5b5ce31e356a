r"""Five algorithms that a Neural Turing Machine learns from examples (Graves et al. 2014).

    python examples/neural_turing_machine.py                           # copy, LSTM controller
    python examples/neural_turing_machine.py --controller feedforward --batch 2 --rate 0.001
    python examples/neural_turing_machine.py --task associative_recall --controller feedforward \
        --sequences 50000 --batch 2 --rate 0.001
    python examples/neural_turing_machine.py --controller baseline     # three LSTMs, no memory

A controller reads a sequence and steers heads that write to a memory and read from it; trained on
fresh sequences under XLA, tested on longer ones too, drawn step by step, exported and checked
without Python. The learning curves of all controllers that were run on a task, with the same seed,
are in one picture. Interrupt it as you like: the same command goes on after the last thousand
sequences.

Bits per sequence on 640 fresh sequences, in brackets the paper's, by these commands:

    copy, LSTM                  0.0001 after 20 thousand sequences (0.00)
    copy, feed-forward          below 0.000001 after 20 thousand (0.02 after 50)
    recall, feed-forward        below 0.000001 after 50 thousand (0.01)
    copy, LSTM without memory   22 after 20 thousand (8.3 after 70)

docs/results.md has longer sequences and the other tasks, of which repeat copy alone is learned.
Differs from the paper: Adam (beta_2 0.99, norm of all gradients at most 1, cosine) for RMSProp;
batches of 2 or 4; the heads begin at the first slot, of a constant memory.
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
from examples.datasets.algorithms import NOTHING, episodes
from examples.report import Report
from examples.training import as_dataset, check_folders, minutes_of, train

EPOCH = 1000  # sequences
TESTED, TESTED_LONGER = 640, 100  # sequences, as in training and of each longer kind
FIGURE = "bits per sequence"


class Task(NamedTuple):
    """An algorithm, how large the paper's networks for it are, and what it reached."""

    episode: Callable
    steps: int  # of the longest episode in training
    sizes: dict  # controller to (heads that read and as many that write, units of each layer)
    longer: list  # what episodes that no training has are told
    film: dict  # what the episode is told that is drawn
    paper: dict  # bits per sequence after so many thousands, read from the paper's figures


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
        paper={"paper, feed-forward at 50 thousand": 0.01, "paper, no memory, least": 0.73},
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
        paper={"paper, LSTM, least": 17.4, "paper, no memory, least": 56.0},
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
    """Trains or resumes, tests, draws and exports; returns the figures of the test."""
    if batch < 1 or sequences < 1 or sequences % EPOCH or EPOCH % batch:
        raise ValueError(
            f"Expected `sequences` to be a multiple of {EPOCH}, and `batch` to divide it. "
            f"Received: sequences={sequences}, batch={batch}"
        )
    epochs, steps = (2, 2) if quick else (sequences // EPOCH, EPOCH // batch)
    tested, tested_longer = (8, 2) if quick else (TESTED, TESTED_LONGER)
    name = f"ntm_{task}" + ("" if controller == "lstm" else f"_{controller}")
    name += "_quick" if quick else ""
    directory = Path(runs) / f"{name}-seed{seed}"
    report = Report(directory, seed)
    devices = distribution.strategy(strategy)
    keras.utils.set_random_seed(seed)
    what = TASKS[task]
    schedule = keras.optimizers.schedules.CosineDecay(rate, epochs * steps)
    with devices.scope():
        model = network(what, controller)
        # A short memory of gradients' sizes: after a rare large one steps soon are long again.
        optimizer = keras.optimizers.Adam(schedule, beta_2=0.99, global_clipnorm=1)
        model.compile(optimizer, bits, jit_compile=True)
    check_folders(model, runs=directory, pictures=pictures, saved_models=saved_models)
    print(f"{name}: {model.count_params():,} weights")
    curve = train(
        model,
        lambda epoch: batches(what, batch, steps, [seed, epoch]),
        epochs,
        directory,
        {"sequences": epochs * steps * batch, "batch": batch, "rate": rate, "seed": seed},
    )
    rng = np.random.default_rng([seed, epochs, 1])  # those of the epochs have no third number
    figures = test(model, what, rng, tested, tested_longer)
    picture = Path(pictures) / f"{name}.png"
    looked = film(model, what, controller, rng, picture)
    path = export(looked, what, rng, Path(saved_models) / name)
    whole = {**figures, "weights": model.count_params(), "curve": curve, **minutes_of(curve)}
    report.write(whole, path)
    draw_curves(Path(runs), name, task, seed, Path(pictures))
    print(keras_attention.export.how_to_serve(path))
    return figures


def network(task, controller, return_addresses=False):
    """Sequences -> logits of the bits, or all that `NTMCell.split_outputs` gives names to."""
    inputs, targets = task.episode(np.random.default_rng(0))
    (_, channels), (_, written) = inputs.shape, targets.shape
    heads, units = task.sizes[controller]
    sequence = keras.Input((None, channels), name="sequence")
    if controller == "baseline":
        states = sequence
        for width in units:
            states = keras.layers.LSTM(width, return_sequences=True, use_cudnn=False)(states)
        return keras.Model(sequence, keras.layers.Dense(written)(states))
    cells = [keras.layers.LSTMCell(width) for width in units]
    one_layer = {"controller": controller, "controller_units": units[0]}
    cell = keras_attention.NTMCell(
        written,
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


def bits(targets, logits):
    """What the targets of each sequence cost, in bits: the loss `(batch,)`."""
    paid = ops.maximum(logits, 0) - logits * targets + ops.log1p(ops.exp(-ops.abs(logits)))
    return ops.sum(ops.where(targets == NOTHING, 0.0, paid), axis=(1, 2)) / np.log(2)


def batches(task, batch, steps, seed):
    """A data set of `steps` fresh batches, all as long as the longest can be."""
    rng = np.random.default_rng(seed)
    drawn = (episodes(task.episode, batch, rng, task.steps) for _ in range(steps))
    return as_dataset(list(drawn))


def test(model, task, rng, count, count_longer):
    """Figures of fresh sequences as in training, and of each longer kind."""
    answer = tf.function(lambda sequence: model(sequence, training=False), jit_compile=True)
    inputs, targets = episodes(task.episode, count, rng, task.steps)
    logits = answer(inputs).numpy()
    figures = score(logits, targets)
    if task.episode is algorithms.ngrams:
        optimum = np.mean([algorithms.optimal_bits(sequence) for sequence in targets])
        figures["bits of the best predictor"] = float(optimum)
    if task.episode is algorithms.copy:
        lengths = (targets[..., 0] != NOTHING).sum(axis=1)
        figures["bits by length"] = {
            int(length): score(logits[lengths == length], targets[lengths == length])[FIGURE]
            for length in np.unique(lengths)
        }
    longest = max([len(task.episode(rng, **told)[0]) for told in task.longer], default=0)
    for told in task.longer:  # all as long as the longest: one compiled program
        inputs, targets = episodes(task.episode, count_longer, rng, longest, **told)
        logits = answer(inputs).numpy()
        kind = ", ".join(f"{name} {number}" for name, number in told.items())
        figures[kind] = score(logits, targets)
        if task.episode is algorithms.copy:
            figures[kind] |= duplicates(logits, targets)
    return figures


def score(logits, targets):
    """Means over sequences: bits paid, bits on the wrong side of 1/2, all of them right."""
    asked = targets != NOTHING
    wrong = (asked & ((logits > 0) != (targets > 0))).sum(axis=(1, 2))
    return {
        FIGURE: float(ops.mean(bits(targets, logits))),
        "wrong bits per sequence": float(wrong.mean()),
        "sequences all right": float((wrong == 0).mean()),
    }


def duplicates(logits, targets):
    """How many copies are right but for vectors that were written twice, as the paper saw them."""
    found = []
    for written, shown in zip(logits > 0, targets, strict=True):
        asked = shown[:, 0] != NOTHING
        found.append(algorithms.vectors_written_twice(written[asked], shown[asked]))
    twice = [number for number in found if number]
    return {
        "sequences with one vector twice": twice.count(1),
        "sequences with several vectors twice": len(twice) - twice.count(1),
        "sequences with other errors": found.count(None),
    }


def film(model, task, controller, rng, path):
    """Draws one episode; returns a model of the probabilities and, of an NTM, of the addresses."""
    if controller == "baseline":
        return keras.Model(model.input, {"probabilities": ops.sigmoid(model.output)})
    steps = network(task, controller, return_addresses=True)
    steps.set_weights(model.get_weights())
    names = "probabilities", "read_addresses", "write_addresses", "reads", "additions"
    parts = {name: steps.output[name] for name in names[1:]}
    looked = keras.Model(steps.input, {names[0]: ops.sigmoid(steps.output["outputs"]), **parts})
    inputs, targets = episodes(task.episode, 1, rng, **task.film)
    found = {name: part.numpy()[0] for name, part in tf.function(looked)(inputs).items()}
    probabilities = np.where(targets[0] == NOTHING, 0, found.pop("probabilities"))
    path.parent.mkdir(parents=True, exist_ok=True)
    keras_attention.visualize.memory_film(
        **found, inputs=inputs[0], outputs=probabilities, path=path
    )
    print(f"Film of the memory drawn in {path}")
    return looked


def export(looked, task, rng, directory):
    """Exports the model: `serving_default` gives probabilities, `addresses` those of an NTM."""

    @tf.function
    def serve(sequence):
        return {"probabilities": looked(sequence)["probabilities"]}

    @tf.function
    def addresses(sequence):
        return {name: part for name, part in looked(sequence).items() if name.endswith("addresses")}

    signatures = {"serving_default": (serve, looked.inputs)}
    if "read_addresses" in looked.output:
        signatures["addresses"] = (addresses, looked.inputs)
    examples = [episodes(task.episode, count, rng)[0] for count in (1, 3)]
    return keras_attention.export.saved_model(
        looked, directory, signatures, [{"sequence": sequence} for sequence in examples]
    )


def draw_curves(runs, name, task, seed, pictures):
    """Draws the learning curves of this task's controllers, as far as they were run."""
    quick = "_quick" if name.endswith("_quick") else ""
    found = {}
    for controller in LABELS:
        of_it = f"ntm_{task}" + ("" if controller == "lstm" else f"_{controller}") + quick
        file = runs / f"{of_it}-seed{seed}" / "figures.json"
        if file.exists():
            found[LABELS[controller]] = json.loads(file.read_text())["curve"]
    path = pictures / f"ntm_{task}_curve{quick}.png"
    curves.draw(
        found,
        "loss",
        path,
        "thousands of sequences",
        FIGURE,
        logarithmic=True,
        lines=TASKS[task].paper,
    )
    print(f"Learning curves drawn in {path}")


if __name__ == "__main__":
    run(main, task=TASKS, controller=CONTROLLERS, strategy=distribution.STRATEGIES)
