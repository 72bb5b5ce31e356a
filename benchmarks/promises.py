"""What masked keys do to the layers of Keras and to ours, as a table.

    python -m benchmarks.promises

Each row is one experiment, run on `keras.layers.X` and on its counterpart here; the inputs are
seeded normal numbers of shape (2, 5, 8), and the first sequence of the batch is all padding.
"""

import sys
from importlib.metadata import version

import keras
import numpy as np
import tensorflow as tf

import keras_attention

PAIRS = [
    (keras.layers.Attention, keras_attention.Attention),
    (keras.layers.AdditiveAttention, keras_attention.AdditiveAttention),
]


def data():
    rng = np.random.default_rng(0)
    query, value = rng.normal(size=(2, 2, 5, 8)).astype("float32")
    mask = np.ones((2, 5), bool)
    mask[0] = mask[1, 3:] = False
    return query, value, mask


def largest_output_of_an_empty_sequence(layer):
    query, value, mask = data()
    return np.abs(layer([query, value], mask=[None, mask])[0]).max()


def largest_gradient_into_padding(layer):
    query, value, mask = data()
    value = tf.constant(value)
    with tf.GradientTape() as tape:
        tape.watch(value)
        loss = tf.reduce_sum(layer([query, value], mask=[None, mask]) ** 2)
    return np.abs(tape.gradient(loss, value)[0]).max()


def nan_from_a_nan_in_the_padding(layer):
    query, value, mask = data()
    value[~mask] = np.nan
    return int(np.isnan(layer([query, value], mask=[None, mask])).sum())


def nan_in_float16(layer):
    query, value, mask = data()
    query, value = 4 * np.abs(query), -4 * np.abs(value)  # dot products far below zero
    result = layer([query, value], mask=[None, mask])
    return int(np.isnan(tf.cast(result, "float32")).sum())


EXPERIMENTS = [
    ("output of a sequence without keys, largest number", largest_output_of_an_empty_sequence, {}),
    ("gradient into that sequence's padding, largest", largest_gradient_into_padding, {}),
    ("NaN in the padding: NaN in the output, of 80", nan_from_a_nan_in_the_padding, {}),
    (
        "float16, scores far below zero: NaN in the output, of 80",
        nan_in_float16,
        {"dtype": "float16"},
    ),
]


def main():
    print(f"Keras {version('keras')}, TensorFlow {version('tensorflow')}, Python {sys.version[:4]}")
    names = [name for theirs, _ in PAIRS for name in (f"keras {theirs.__name__}", "ours")]
    print("| " + " | ".join(["", *names]) + " |\n" + "|---" * (len(names) + 1) + "|")
    for title, experiment, options in EXPERIMENTS:
        cells = []
        for layers in PAIRS:
            for layer in layers:
                keras.utils.set_random_seed(0)
                cells.append(f"{experiment(layer(**options)):.3g}")
        print("| " + " | ".join([title, *cells]) + " |")


if __name__ == "__main__":
    main()
