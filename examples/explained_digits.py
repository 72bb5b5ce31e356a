"""A classifier of digits at random places, and whether its explanations point at the digit."""

import keras
import numpy as np
import tensorflow as tf
from keras import layers

import keras_attention
from examples.datasets import cluttered_digits
from examples.training import as_dataset, write

SIDE, DIGIT = cluttered_digits.SIDES["translated"], 28
HELD_OUT = 5000  # training images for validation
BATCH = 128
METHODS = ("gradient", "gradient_input", "integrated", "smooth")


def make_classifier(width):
    """Return a convolutional network: images (batch, 60, 60, 1) uint8 -> probabilities."""
    image = keras.Input((SIDE, SIDE, 1), dtype="uint8", name="image")
    x = layers.Rescaling(1 / 255, name="rescaling")(image)
    # Strides instead of pooling, whose gradient is slow under XLA on a CPU.
    for factor, strides in ((1, 2), (2, 2), (4, 2), (8, 1)):
        x = layers.Conv2D(factor * width, 5, strides, padding="same", activation="relu")(x)
    x = layers.GlobalMaxPooling2D()(x)
    return keras.Model(image, layers.Dense(10, activation="softmax")(x), name="digits")


def load_digits(quick):
    """Return (images 28 x 28, labels) for training, validation and test, in a dict."""
    images, labels = cluttered_digits.load("train", "[:400]" if quick else "")
    held_out = 100 if quick else HELD_OUT
    return {
        "train": (images[:-held_out], labels[:-held_out]),
        "validation": (images[-held_out:], labels[-held_out:]),
        "test": cluttered_digits.load("test", "[:100]" if quick else ""),
    }


def make_batches(images, labels, rng):
    """Return a data set of one epoch, with new places of the digits."""
    steps = len(images) // BATCH

    def generate():
        order = rng.permutation(len(images))
        for n in range(steps):
            rows = order[n * BATCH : (n + 1) * BATCH]
            yield place(images[rows], rng)[0], labels[rows]

    def set_shape(image, label):  # `as_dataset` leaves the height unknown
        return tf.ensure_shape(image, (None, SIDE, SIDE, 1)), label

    return as_dataset(generate, steps).map(set_shape)


def place(digits, rng):
    """Return images with a digit at a random place each, and the places (n, 2) of its corner."""
    places = rng.integers(SIDE - DIGIT + 1, size=(len(digits), 2))
    images = np.zeros((len(digits), SIDE, SIDE, 1), "uint8")
    for image, digit, (row, column) in zip(images, digits, places, strict=True):
        image[row : row + DIGIT, column : column + DIGIT] = digit
    return images, places


def find_boxes(digits, places):
    """Return the bounding boxes of the digits' ink: first and last rows and columns, (n, 4)."""
    boxes = []
    for digit, (row, column) in zip(digits[..., 0], places, strict=True):
        rows, columns = np.nonzero(digit.any(axis=1))[0], np.nonzero(digit.any(axis=0))[0]
        ends = rows[0] + row, rows[-1] + row, columns[0] + column, columns[-1] + column
        boxes.append(ends)
    return np.array(boxes)


def is_inside(maps, boxes, margin=0):
    """Return whether the largest element of each map is in its box, widened by a margin."""
    largest = maps.reshape(len(maps), -1).argmax(axis=1)
    rows, columns = np.unravel_index(largest, maps.shape[1:])
    top, bottom, left, right = boxes.T
    is_row = (rows >= top - margin) & (rows <= bottom + margin)
    return is_row & (columns >= left - margin) & (columns <= right + margin)


def explain(model, images, method):
    """Return the saliency maps (n, 60, 60) of the predicted classes."""
    return keras_attention.explain.saliency(
        model, images, of="rescaling", method=method, samples=15, steps=30, seed=0
    )


class Experiment:
    """The classifier, its data, and what its explanations show.

    Args:
        seed: Seed of the test images' places.
        quick: Whether to use small sizes.
        epochs: Number of epochs, or 0 for the default.
    """

    def __init__(self, seed, quick, epochs=0):
        self.seed = seed
        self.epochs = epochs or (2 if quick else 3)
        self.data = load_digits(quick)
        width = 4 if quick else 8
        self.settings = {"width": width, "images": len(self.data["train"][0])}
        self.network = make_classifier(width)
        steps = self.epochs * (len(self.data["train"][0]) // BATCH)
        self.network.compile(
            keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(3e-3, steps)),
            "sparse_categorical_crossentropy",
            metrics=["accuracy"],
            jit_compile=True,
        )
        self.explained = 20 if quick else 1000

    def make_batches(self, rng):
        """Return one epoch of training data."""
        return make_batches(*self.data["train"], rng)

    def measure(self, part):
        """Return the share of correct digits of "validation" or "test"."""
        images, labels = self.data[part]
        placed, _ = place(images, np.random.default_rng(self.seed))
        predicted = self.network.predict(placed, batch_size=500, verbose=0).argmax(axis=-1)
        return {f"{part} accuracy": round(float(np.mean(predicted == labels)), 4)}

    def compare(self):
        """Return how often each method's largest saliency is on the digit (pointing game).

        "in the box": within the bounding box of the digit's ink.
        """
        digits, _ = self.data["test"]
        digits = digits[: self.explained]
        images, places = place(digits, np.random.default_rng(self.seed + 1))
        boxes = find_boxes(digits, places)
        inside = {
            method: is_inside(explain(self.network, images, method), boxes) for method in METHODS
        }
        area = (boxes[:, 1] - boxes[:, 0] + 1) * (boxes[:, 3] - boxes[:, 2] + 1)
        shares = {method: round(float(hits.mean()), 4) for method, hits in inside.items()}
        return {
            "largest saliency in the box": shares,
            "by chance": round(float(area.mean()) / SIDE**2, 4),
            "images": len(images),
        }

    def draw(self, path):
        """Plot the saliency of four test digits by all methods."""
        images, _ = place(self.data["test"][0][:4], np.random.default_rng(self.seed + 1))
        maps = np.stack([explain(self.network, images, method) for method in METHODS], axis=1)
        scaled = maps / np.maximum(maps.max(axis=(2, 3), keepdims=True), 1e-12)
        titles = [[method.replace("_", " x ") for method in METHODS]] * len(images)
        figure = keras_attention.visualize.overlay(list(images), list(scaled), titles)
        write(path, figure.savefig)
        print(f"Saliency of four test images plotted in {path}")

    def export(self, directory):
        """Export a SavedModel whose signature `explain` returns a digit and its saliency."""
        images, _ = place(self.data["test"][0][:3], np.random.default_rng(self.seed + 1))
        path = keras_attention.export.saved_model(
            self.network,
            directory,
            signatures={"explain": keras_attention.export.saliency_of(self.network, "rescaling")},
            example=[{"image": images[:1]}, {"image": images}],
        )
        print(keras_attention.export.how_to_serve(path))
        return path
