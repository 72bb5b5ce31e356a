"""Pointer networks (Vinyals, Fortunato, Jaitly 2015), whose outputs are positions of the input.

    (0, 0) (1, 1) (1, 0) (0, 1) (0.5, 0.4)  ->  0 2 1 3, the convex hull, counter-clockwise

    python examples/pointer_network.py --epochs 100                   # hulls of 5 to 10 points
    python examples/pointer_network.py --task tsp --epochs 50         # shortest tours of 5 to 10
    python examples/pointer_network.py --task sort --smallest 10 --epochs 6
    python examples/pointer_network.py --task delaunay --largest 5 --epochs 100

One LSTM encodes the points, a second one points to one of them at every step. The example trains
under XLA with new random instances in every batch. Then it tests the model, plots answers, exports
the model with a `decode` signature (points, and the number of points that are not padding ->
indices from 0 and probabilities), and checks the export without Python. The run can be interrupted
at any time: the same command resumes it after the last completed epoch. `--instances` accepts the
authors' test set of hulls as an .npz file of `points` (count, n, 2) and `hull` (count, L). A row of
`hull` has indices from 1, closed by repeating the first index, and is padded with 0.

Results on 10,000 test instances each, with a beam of 3 and seed 0 (3 to 39 minutes of processor
time each; more epochs improve the results), the paper's in brackets (tables 1 and 2, section 4.3):

    hulls of the authors' 5 points   96.6 % right, 99.97 % of the area (92.0, 99.6)
    hulls of 5, 10 uniform points    95.6, 87.2 % right (-, 87.0)
    tours of 5, 10 points            0.03, 0.50 % over the shortest (2.12 for 2.12, 2.88 for 2.87)
    10 numbers                       100.0 % in order
    triangulations of 5 points       72.5 % right, 89.2 % of their triangles (80.7, 93.0)

The authors' instances are more spread out than the uniform points of training, and easier. Differs
from the paper: 128 units instead of 256 or 512; Adam with a cosine schedule and another
initialization instead of SGD; hulls of 5, 7 and 10 points instead of 5 to 50; the end is a learned
slot, so that polygons need not be closed; except in triangulations, an element can be pointed to
only once, also in training. Two choices are not specified by the paper: the tours of the training
data are counter-clockwise; and numbers, which it names as a future task, are distinct integers of
two digits, because uniform real numbers could be equal.
"""

import sys
from pathlib import Path

import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf

if not __package__:  # run as `python examples/pointer_network.py`, from any directory
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import keras_attention
from examples import curves, distribution
from examples.command_line import run
from examples.datasets.geometry import NOTHING, TASKS, evaluate, load_hulls
from examples.report import Report
from examples.training import as_dataset, check_folders, sum_minutes, train, write

BATCH = 128
BATCHES_PER_CALL = 8  # batches of one size are generated together, which is faster
INSTANCES_PER_CALL = 250  # of the decoder, in tests
TRAINING, VALIDATION, TEST = range(3)  # the first number of the seed of each random generator
BEAM = 3
DRAWN_INSTANCES = 3  # in the plot of answers
CURVES = {"tsp": "excess length"}  # the metric of a task's learning curve; default: "accuracy"
PAPER = {  # lines in the plots of learning curves, from table 1, section 4.3 and table 2
    "hull": {"paper, n = 5, its instances": 0.92, "paper, n = 10": 0.87},
    "delaunay": {"paper, n = 5": 0.807},
    "tsp": {"paper, n = 10: 2.88 for 2.87": 2.88 / 2.87 - 1},
}


def main(
    task="hull",
    smallest=5,
    largest=10,
    epochs=16,
    units=128,
    rate=4e-3,
    instances="",
    seed=0,
    strategy="none",
    quick=False,
    runs="runs",
    pictures="docs/pictures",
    saved_models="saved_models",
):
    """Train or resume, test, plot and export; return the metrics on each test set.

    Args:
        task: The problem to solve.
        smallest: Minimum number of elements in an instance.
        largest: Maximum number of elements in an instance.
        epochs: Number of epochs of 480 batches.
        units: Units of the LSTMs and of the score.
        rate: Initial learning rate.
        instances: File of the authors' test instances of hulls; empty for none.

    The other arguments are described in `examples.command_line`.
    """
    steps, test_count, validation_count = (48, 250, 100) if quick else (480, 10_000, 1000)
    epochs, units, largest = (2, 32, smallest) if quick else (epochs, units, largest)
    if instances and task != "hull":
        raise ValueError(f"Expected `instances` with task='hull' only. Received: task={task!r}")
    if not 3 <= smallest <= largest <= TASKS[task].largest or epochs < 1:
        raise ValueError(
            f"Expected 3 <= smallest <= largest <= {TASKS[task].largest} and epochs >= 1. "
            f"Received: smallest={smallest}, largest={largest}, epochs={epochs}"
        )
    devices = distribution.strategy(strategy)
    keras.utils.set_random_seed(seed)
    problem, figure = TASKS[task], CURVES.get(task, "accuracy")
    # Only three sizes, because XLA compiles a program for each.
    train_sizes = sorted({smallest, (smallest + largest) // 2, largest})
    name = f"pointer_{task}" + (f"_{smallest}" if smallest == largest else "")
    name += "_quick" if quick else ""
    directory = Path(runs) / f"{name}-seed{seed}"
    held_out = {
        f"n = {n}": sample_instances(problem, n, validation_count, [VALIDATION, n])
        for n in sorted({smallest, largest})
    }
    tests = {
        f"n = {n}": sample_instances(problem, n, test_count, [TEST, n])
        for n in range(smallest, largest + 1)
    }
    if instances:
        tests["the file's instances"] = load_hulls(instances, largest)

    with devices.scope():
        model, encoder, decoder = make_network(problem, units)
        schedule = keras.optimizers.schedules.CosineDecay(rate, epochs * steps)
        model.compile(
            keras.optimizers.Adam(schedule, clipnorm=1.0),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=NOTHING),
            jit_compile=True,
        )
    check_folders(model, runs=directory, pictures=pictures, saved_models=saved_models)
    print(f"{name}: {smallest} to {largest} elements, {model.count_params():,} weights")
    greedy, beam = (make_pointer(problem, encoder, decoder, width) for width in (1, BEAM))
    searches = {"greedy": tf.function(greedy, jit_compile=True)}
    searches[f"beam of {BEAM}"] = tf.function(beam, jit_compile=True)

    def measure(search, instances, expected):
        answers = predict(searches[search], problem, instances, largest)
        return evaluate(task, instances, expected, answers)

    report = Report(directory, seed)
    curve = train(
        model,
        lambda epoch: make_batches(problem, train_sizes, steps, [TRAINING, seed, epoch]),
        epochs,
        directory,
        {
            "task": task,
            "sizes": train_sizes,
            "epochs": epochs,
            "units": units,
            "steps": steps,
            "rate": rate,
            "seed": seed,
        },
        lambda epoch: {label: measure("greedy", *held_out[label])[figure] for label in held_out},
        count_targets=lambda targets: tf.math.count_nonzero(targets != NOTHING),
    )
    results = {
        label: {search: measure(search, *tests[label]) for search in searches} for label in tests
    }

    curves.draw(
        {label: [{figure: epoch[label]} for epoch in curve] for label in held_out},
        figure,
        Path(pictures) / f"{name}_curve.png",
        "thousand training instances",
        figure,
        each=steps * BATCH / 1000,
        logarithmic=task == "tsp",
        lines=PAPER.get(task),
    )
    decode, specs = make_signature(problem, beam)
    examples = [x[:DRAWN_INSTANCES] for x in tests[f"n = {largest}"]]
    draw(task, *examples, decode, Path(pictures) / f"{name}.png")
    path = keras_attention.export.saved_model(
        model,
        Path(saved_models) / name,
        signatures={
            "decode": keras_attention.export.with_lengths((decode, specs), {"points": "real"})
        },
        example=[
            make_example(problem, *(x[:count] for x in examples)) for count in (1, DRAWN_INSTANCES)
        ],
    )
    details = {"weights": model.count_params(), "figures": results, "curve": curve}
    report.write({**details, **sum_minutes(curve)}, path)
    print(keras_attention.export.how_to_serve(path))
    return results


def sample_instances(task, n, count, seed):
    """Return random instances `(count, n, width)` and their correct answers."""
    instances = task.sample(np.random.default_rng(seed), count, n)
    return instances, task.answer(instances)


def make_batches(task, sizes, steps, seed):
    """Return a data set of new random batches, each of instances of one size.

    Their number is `steps`, rounded down to a multiple of `BATCHES_PER_CALL` for each size.
    """
    rounds = steps // (BATCHES_PER_CALL * len(sizes))

    def begin():
        rng = np.random.default_rng(seed)
        for _ in range(rounds):
            generated = []
            for n in sizes:
                instances = task.sample(rng, BATCHES_PER_CALL * BATCH, n)
                targets = to_targets(task, task.answer(instances))
                real = np.ones(instances.shape[:2], bool)
                arrays = targets, instances.astype("float32"), real, targets
                generated += zip(*(np.split(x, BATCHES_PER_CALL) for x in arrays), strict=True)
            rng.shuffle(generated)
            for *inputs, targets in generated:
                yield tuple(inputs), targets

    return as_dataset(begin, rounds * BATCHES_PER_CALL * len(sizes))


def to_targets(task, answers):
    """Return the decoder's targets.

    If the answers of the task have an end, the elements count from 1 and the end is 0; otherwise
    the targets are the answers.
    """
    if not task.ends:
        return answers
    targets = np.pad(answers + 1, [(0, 0), (0, 1)])
    after = np.arange(targets.shape[1]) > (answers >= 0).sum(axis=1, keepdims=True)
    return np.where(after, NOTHING, targets).astype("int32")


def make_network(task, units):
    """Return the model `(targets, points, real) -> logits`, its encoder and its decoder."""
    points = keras.Input((None, task.width), name="points")
    real = keras.Input((None,), dtype="bool", name="real")
    targets = keras.Input((None,), dtype="int32", name="targets")
    # The scale of Keras's default initializer also depends on `units`, so that its weights are too
    # small for the few coordinates of a point.
    cells = [keras.layers.LSTMCell(units, kernel_initializer="lecun_uniform") for _ in range(2)]
    centered = points - 0.5
    memory, *state = keras.layers.RNN(cells[0], return_sequences=True, return_state=True)(
        centered, mask=real
    )
    decoder = keras_attention.PointerDecoder(units, cell=cells[1], end_slot=task.ends)
    logits = decoder(
        targets,
        memory,
        centered,
        initial_state=state,
        memory_mask=real,
        mask_visited=not task.repeats,
    )
    encoder = keras.Model([points, real], [memory, centered, state])
    return keras.Model([targets, points, real], logits), encoder, decoder


def make_pointer(task, encoder, decoder, beam_width):
    """Return a function: points, and the mask of real (not padding) points -> a `Pointed`."""

    def point(points, real):
        memory, centered, state = encoder([points, real])
        return decoder.decode(
            memory,
            centered,
            memory_mask=real,
            initial_state=state,
            max_length=task.longest(keras.ops.shape(points)[1]) + task.ends,
            beam_width=beam_width,
            allow_repeats=task.repeats,
            return_attention_scores=True,
        )

    return point


def predict(point, task, instances, largest):
    """Return the network's answers to instances of one size: indices from 0, then `NOTHING`."""
    count, n, _ = instances.shape
    # Repeat instances until the last call is full.
    rows = np.arange(-(-count // INSTANCES_PER_CALL) * INSTANCES_PER_CALL) % count
    points = np.pad(instances[rows], [(0, 0), (0, largest - n), (0, 0)]).astype("float32")
    real = np.broadcast_to(np.arange(largest) < n, (INSTANCES_PER_CALL, largest))
    indices = [
        point(points[first : first + INSTANCES_PER_CALL], real).indices
        for first in range(0, len(rows), INSTANCES_PER_CALL)
    ]
    indices = np.maximum(np.concatenate(indices)[:count] - task.ends, NOTHING)
    # If elements may repeat, a wrong answer may be too long. Do not truncate it to a right one.
    return indices if task.repeats else indices[:, : task.longest(n)]


def make_signature(task, point):
    """Return the `decode` signature: points, `real` -> indices from 0 and probabilities."""

    @tf.function
    def decode(points, real):
        pointed = point(points, real)
        indices = tf.maximum(pointed.indices - task.ends, NOTHING)
        return {
            "indices": indices,
            "lengths": tf.reduce_sum(tf.cast(indices >= 0, tf.int32), axis=1),
            "probabilities": pointed.weights,  # column 0 is the end, if the task has one
        }

    points = tf.TensorSpec((None, None, task.width), tf.float32, name="points")
    return decode, [points, tf.TensorSpec((None, None), tf.bool, name="real")]


def make_example(task, instances, expected):
    """Return example inputs for all signatures of the export."""
    count, n, _ = instances.shape
    return {
        "targets": to_targets(task, expected),
        "points": instances.astype("float32"),
        "real": np.ones((count, n), bool),
        "lengths": np.full(count, n, "int32"),
    }


def draw(task, instances, expected, decode, path):
    """Plot a few answers over the correct ones, and the probabilities of every step."""
    inputs = make_example(TASKS[task], instances, expected)
    outputs = decode(inputs["points"], inputs["real"])
    outputs = {name: tensor.numpy() for name, tensor in outputs.items()}
    canvas, panels = plt.subplots(2, len(instances), figsize=(9.6, 6.4), layout="constrained")
    for column, (above, below) in enumerate(panels.T):
        places = instances[column]
        if places.shape[1] == 1:  # the x axis of a number is its position in the input
            places = np.concatenate([1 + np.arange(len(places))[:, None], places], axis=1)
        length = outputs["lengths"][column]
        for name, indices, color, width in (
            ("true", expected[column][expected[column] >= 0], "gold", 7),
            ("predicted", outputs["indices"][column, :length], "tab:blue", 1.5),
        ):
            for line in get_lines(task, indices):
                above.plot(*places[line].T, color=color, linewidth=width, zorder=0, label=name)
                name = None  # so that the legend has a single entry for all lines of an answer
        above.plot(*places.T, "o", color="black", markersize=4)
        for number, place in enumerate(places, 1):
            above.annotate(str(number), place, xytext=(4, 4), textcoords="offset points")
        above.set(xticks=[], yticks=[])
        above.margins(0.1)  # space for the numbers
        weights = outputs["probabilities"][column, : length + TASKS[task].ends]
        names = ["end"] * TASKS[task].ends + [str(number + 1) for number in range(len(places))]
        below.imshow(weights, cmap="gray", vmin=0, vmax=1, aspect="auto")
        below.set_xticks(range(len(names)), names)
        below.set_yticks(range(len(weights)), range(1, len(weights) + 1))
        below.set(xlabel="point", ylabel="step" if column == 0 else None)
    canvas.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside upper right", ncols=2)
    write(path, lambda file: canvas.savefig(file, dpi=110))
    plt.close(canvas)
    print(f"Answers and probabilities plotted in {path}")


def get_lines(task, indices):
    """Return the lines to plot for an answer, as arrays of indices; polygons are closed."""
    if task == "sort":
        return [indices]
    polygons = indices[: len(indices) // 3 * 3].reshape(-1, 3) if task == "delaunay" else [indices]
    return [np.append(polygon, polygon[:1]) for polygon in polygons]


if __name__ == "__main__":
    run(main, task=tuple(TASKS), strategy=distribution.STRATEGIES)
