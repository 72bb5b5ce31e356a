"""The image encoder of the captioner, in place of the paper's VGG: trained on digits, then fixed.

An image is a grid of 3 x 3 cells (`examples.datasets.digit_grids`). The encoder computes two maps
of locations: a fine one that the classifier is trained on, and a coarse one, the annotations.
"""

from pathlib import Path

import keras
import numpy as np
from keras import layers, ops

import keras_attention
from examples.datasets import digit_grids
from examples.datasets.digit_grids import CELL, CELLS, EMPTY, SIDE
from examples.training import as_dataset, train

BATCH = 64
FINE, MAP = 14, 7  # side of the classifier's map and of the annotations' map, in locations
FEATURES = 128  # width of an annotation
# Per layer: width, kernel size, stride, and the size of the max pooling after it.
CONVOLUTIONS = (
    (32, 5, 2, 1),
    (64, 3, 1, 3),
    (64, 3, 1, 1),
    (64, 3, 1, 1),
    (FEATURES, 3, 1, 1),
)
PIXELS = SIDE * CELL


def train_encoder(digits, directory, epochs, steps):
    """Train or resume the encoder, on distorted digits.

    At each location that is not near the border of its cell, a classifier is trained to predict the
    digit of the cell, or that the cell is empty. The encoder is the classifier without its output
    layer, followed by average pooling.

    Args:
        digits: Images (n, 28, 28) uint8 and labels (n,).
        directory: Folder of the encoder's checkpoint. Runs with the same folder share the encoder.
        epochs, steps: Number of epochs, and of batches in each epoch.

    Returns:
        The fixed encoder, images (batch, 84, 84, 1) uint8 -> features (batch, 49, 128); and the
        classifier, images -> logits (batch, 14, 14, 11) of an empty cell and the ten digits.
    """
    keras.utils.set_random_seed(0)
    image = keras.Input((PIXELS, PIXELS, 1), dtype="uint8", name="image")
    x = layers.Rescaling(1 / 255)(image)
    for width, size, strides, pooling in CONVOLUTIONS:
        x = layers.Conv2D(width, size, strides, padding="same", use_bias=False)(x)
        x = layers.Activation("relu")(layers.BatchNormalization(momentum=0.95)(x))
        x = layers.MaxPooling2D(pooling)(x) if pooling > 1 else x
    classifier = keras.Model(image, layers.Dense(11)(keras_attention.Dropout(0.3)(x)))
    schedule = keras.optimizers.schedules.CosineDecay(3e-3, epochs * steps)
    classifier.compile(
        keras.optimizers.Adam(schedule),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        weighted_metrics=["accuracy"],
        jit_compile=False,  # on a CPU TensorFlow's convolutions are 3 times as fast as XLA's
    )
    images, labels = digits
    loss_weights = np.tile(is_inner().astype("float32"), (BATCH, 1, 1))

    def grids(epoch):
        distorted = distort(images, [0, epoch])

        def generate():
            rng = np.random.default_rng([0, epoch])
            for _ in range(steps):
                images, cells = digit_grids.sample_grids(distorted, labels, BATCH, rng, empty=0.2)
                classes = cells[:, locate_cells(FINE)].reshape(-1, FINE, FINE) - EMPTY
                yield images, classes, loss_weights

        return as_dataset(generate, steps)

    settings = {"epochs": epochs, "steps": steps, "convolutions": CONVOLUTIONS}
    train(classifier, grids, epochs, Path(directory), settings)
    features = layers.Reshape((MAP * MAP, FEATURES))(layers.AveragePooling2D(2)(x))
    encoder = keras.Model(image, features)
    encoder.trainable = False
    return encoder, classifier


def locate_rows(side):
    """Return, for each row of a map, the row of cells that contains its middle.

    A second array has the position of the middle in its cell, in pixels from the cell's border.
    """
    middles = (np.arange(side) + 0.5) * PIXELS / side
    return (middles // CELL).astype("int32"), middles % CELL


def locate_cells(side):
    """Return the index of the cell of each location of a map, row by row."""
    rows, _ = locate_rows(side)
    return (SIDE * rows[:, None] + rows).reshape(-1)


def is_inner():
    """Return a bool array (14, 14): the classifier's locations in the middle of their cells."""
    _, middles = locate_rows(FINE)
    is_inner_row = abs(middles - CELL / 2) <= CELL / 4
    return is_inner_row[:, None] & is_inner_row


def distort(images, seed):
    """Rotate digits by up to 11 degrees, and scale their width and height by up to 10 %."""
    rotation, zoom = np.random.default_rng(seed).integers(2**31, size=2)
    layer = keras.Sequential(
        [
            layers.RandomRotation(0.03, fill_mode="constant", seed=int(rotation)),
            layers.RandomZoom(0.1, 0.1, fill_mode="constant", seed=int(zoom)),
        ]
    )
    parts = np.array_split(images[..., None], -(-len(images) // 5000))  # to save memory
    distorted = [ops.convert_to_numpy(layer(part, training=True)) for part in parts]
    return np.concatenate(distorted)[..., 0].round().astype("uint8")


def measure_error_rate(classifier, images, digits):
    """Return the share of digits for which the classifier predicts another digit or an empty cell.

    The logits of a cell are the mean over its inner locations (`is_inner`).
    """
    logits = classifier.predict(images, batch_size=500, verbose=0).reshape(len(images), -1, 11)
    inner = is_inner().reshape(-1) & np.equal.outer(np.arange(CELLS), locate_cells(FINE))
    predicted = np.argmax(inner.astype("float32") @ logits, axis=-1) + EMPTY
    return float((predicted != digits)[digits != EMPTY].mean())
