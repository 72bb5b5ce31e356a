"""Print a table of the effects of masked keys on the layers of Keras and on ours.

    python -m benchmarks.promises

Each row is one experiment with `keras.layers.X` and with its counterpart in this package. The
inputs are seeded normal numbers of shape (2, 5, 8). The first sequence of the batch is all padding.
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


def make_data():
    """Return query, value and mask."""
    rng = np.random.default_rng(0)
    query, value = rng.normal(size=(2, 2, 5, 8)).astype("float32")
    mask = np.ones((2, 5), bool)
    mask[0] = mask[1, 3:] = False
    return query, value, mask


def measure_output_without_keys(layer):
    """Return the largest output of the sequence that is all padding."""
    query, value, mask = make_data()
    return np.abs(layer([query, value], mask=[None, mask])[0]).max()


def measure_gradient_of_padding(layer):
    """Return the largest gradient of the values of the sequence that is all padding."""
    query, value, mask = make_data()
    value = tf.constant(value)
    with tf.GradientTape() as tape:
        tape.watch(value)
        loss = tf.reduce_sum(layer([query, value], mask=[None, mask]) ** 2)
    return np.abs(tape.gradient(loss, value)[0]).max()


def count_nan_from_padding(layer):
    """Count the outputs that are NaN if the padding is NaN."""
    query, value, mask = make_data()
    value[~mask] = np.nan
    return int(np.isnan(layer([query, value], mask=[None, mask])).sum())


def count_nan_in_float16(layer):
    """Count the outputs that are NaN for finite float16 inputs with scores far below zero."""
    query, value, mask = make_data()
    query, value = 4 * np.abs(query), -4 * np.abs(value)
    output = layer([query, value], mask=[None, mask])
    return int(np.isnan(tf.cast(output, "float32")).sum())


EXPERIMENTS = [
    ("fully masked sequence: largest output", measure_output_without_keys, {}),
    (
        "fully masked sequence: largest gradient with respect to its values",
        measure_gradient_of_padding,
        {},
    ),
    ("NaN in the padding: NaN among 80 outputs", count_nan_from_padding, {}),
    (
        "float16, scores far below zero: NaN among 80 outputs",
        count_nan_in_float16,
        {"dtype": "float16"},
    ),
]


def main():
    print(f"Keras {version('keras')}, TensorFlow {version('tensorflow')}, Python {sys.version[:4]}")
    names = [name for keras_layer, _ in PAIRS for name in (f"keras {keras_layer.__name__}", "ours")]
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
