"""Depth with and without residual connections (Wu et al. 2016, section 3.1), on reversed digits.

    "31415"  ->  "51413"

    python examples/deep_stacks.py                 # 2, 4, 6 and 8 layers
    python examples/deep_stacks.py --layers 2 8    # other depths

The network is the one of `translate.py --model gnmt`. It is trained twice for each depth, once with
and once without residual connections, for the same number of steps from the same seed. The paper
reports that stacks without them work well up to 4 layers, barely with 6, and very poorly beyond 8.
Two layers are the same in both cases, because the first connection is that of the third layer.
The digit strings are generated, and every epoch has new ones. The example plots the learning curves
and exports the deepest residual network as a `reverse` signature. The run can be interrupted at any
time: the same command resumes it after the last completed epoch. docs/results.md has the table.
"""

import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

if not __package__:  # run as `python examples/deep_stacks.py`, from any directory
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import keras_attention
from examples import curves
from examples.command_line import run
from examples.gnmt_network import GNMT
from examples.report import Report
from examples.training import as_dataset, check_folders, sum_minutes, train

PADDING, START, END, FIRST_DIGIT = 0, 2, 3, 4
IDS = FIRST_DIGIT + 10
SHORTEST, LONGEST = 3, 10  # lengths of a string
BATCH, STEPS = 64, 50  # steps of an epoch
TEST_SEED = 1_000_000  # of the test strings; short ones also occur in training


def main(
    layers=(2, 4, 6, 8),
    epochs=12,
    units=64,
    rate=2e-3,
    seed=0,
    quick=False,
    runs="runs",
    pictures="docs/pictures",
    saved_models="saved_models",
):
    """Train or resume each network, test, plot and export; return the figures of each network.

    Args:
        layers: Numbers of layers of each side to compare.
        epochs: Number of epochs of 50 batches.
        units: Width of all layers.
        rate: Learning rate.

    The other arguments are described in `examples.command_line`.
    """
    steps = STEPS
    if quick:
        layers, epochs, units, steps = (3,), 2, 8, 5
    name = "deep_stacks" + ("_quick" if quick else "")
    directory = Path(runs) / f"{name}-seed{seed}"
    report = Report(directory, seed)
    learning_curves, figures = {}, {}
    for depth in sorted(layers):  # the deepest network is the last one, which is exported
        for residual in (False, True):
            title = f"{depth} layers, {'residual' if residual else 'plain'}"
            network = make_network(depth, residual, units, seed)
            # XLA would take longer to compile the network than the quick run takes.
            compile_model(network.model, rate, jit_compile=not quick)
            folder = directory / title.replace(", ", "_").replace(" ", "_")
            check_folders(network.model, runs=folder, pictures=pictures, saved_models=saved_models)
            learning_curves[title] = train(
                network.model,
                lambda epoch: as_dataset([sample_batch([seed, epoch, i]) for i in range(steps)]),
                epochs,
                folder,
                {"layers": depth, "residual": residual, "units": units, "rate": rate, "seed": seed},
            )
            figures[title] = evaluate(network, learning_curves[title])
            print(f"{title}: {figures[title]}")
    draw(learning_curves, Path(pictures) / f"{name}.png")
    path = export(network, Path(saved_models) / name)
    whole_curve = sum(learning_curves.values(), [])
    report.write({"networks": figures, **sum_minutes(whole_curve)}, path)
    return figures


def make_network(depth, residual, units, seed):
    """Return a network whose initial weights depend on these arguments only."""
    keras.utils.set_random_seed(seed)
    return GNMT(IDS, IDS, START, END, units, depth, residual)


def compile_model(model, rate, jit_compile):
    """Compile a model for training, with gradients of a norm of at most 1."""
    model.compile(
        keras.optimizers.Adam(rate, clipnorm=1.0),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=PADDING),
        jit_compile=jit_compile,
    )


def sample_batch(seed, size=BATCH):
    """Return digit strings as padded ids: ((source, target shifted right), target)."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(SHORTEST, LONGEST + 1, size)
    source = rng.integers(FIRST_DIGIT, IDS, (size, LONGEST)).astype("int32")
    source[np.arange(LONGEST) >= lengths[:, None]] = PADDING
    target = np.full((size, LONGEST + 2), PADDING, "int32")
    target[:, 0] = START
    for row, digits, length in zip(target, source, lengths, strict=True):
        row[1 : length + 1], row[length + 1] = digits[:length][::-1], END
    return (source, target[:, :-1]), target[:, 1:]


def evaluate(network, curve, size=1000):
    """Return the test loss per id and the share of strings that are completely right.

    All ids of a string are the most likely ones after the true ids before them exactly if greedy
    decoding returns the string.
    """
    inputs, target = sample_batch(TEST_SEED, size)
    logits = network.model.predict(list(inputs), batch_size=size, verbose=0)
    losses = keras.losses.sparse_categorical_crossentropy(target, logits, from_logits=True)
    is_id = target != PADDING
    is_right = (logits.argmax(axis=-1) == target) | ~is_id
    return {
        "test loss": round(float(np.mean(np.asarray(losses)[is_id])), 4),
        "strings right": round(float(is_right.all(axis=1).mean()), 4),
        "weights": network.model.count_params(),
        **sum_minutes(curve),
        "curve": [round(epoch["loss"], 4) for epoch in curve],
    }


def draw(learning_curves, path):
    """Plot the training losses: a color for each depth, dashed without residual connections."""
    depths = list(dict.fromkeys(title.split()[0] for title in learning_curves))
    styles = {
        title: {
            "color": f"C{depths.index(title.split()[0])}",
            "linestyle": "--" if title.endswith("plain") else "-",
        }
        for title in learning_curves
    }
    y_label = "training loss, nats per id"
    curves.draw(learning_curves, "loss", path, "steps", y_label, STEPS, styles=styles)


def export(network, directory):
    """Export a SavedModel whose `reverse` signature maps digit strings to digit strings."""
    digits = [str(digit) for digit in range(10)]
    characters = tf.constant([""] * FIRST_DIGIT + digits)

    @tf.function
    def reverse(text):
        # Add one column of padding, so that even a batch of empty strings has one step.
        codes = tf.strings.unicode_decode(text, "UTF-8").to_tensor(0)
        codes = tf.pad(codes, [[0, 0], [0, 1]])
        is_digit = (codes >= ord("0")) & (codes <= ord("9"))
        source = tf.where(is_digit, codes - ord("0") + FIRST_DIGIT, PADDING)
        decoded = network.greedy(source, LONGEST + 1)
        text = tf.strings.reduce_join(tf.gather(characters, decoded.tokens), -1)
        return {"reversed": text, "score": decoded.scores}

    texts = ["31415", "2718281828", "42"]
    path = keras_attention.export.saved_model(
        network.model,
        directory,
        signatures={"reverse": (reverse, [tf.TensorSpec((None,), tf.string, name="text")])},
        example=[
            {
                "text": np.array(batch),
                "source": np.full((len(batch), 3 + len(batch)), FIRST_DIGIT, "int32"),
                "target": np.full((len(batch), 2), START, "int32"),
            }
            for batch in (texts[:1], texts)
        ],
    )
    print(keras_attention.export.how_to_serve(path))
    return path


if __name__ == "__main__":
    run(main)
