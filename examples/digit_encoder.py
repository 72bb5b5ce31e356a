"""The network that stands for the paper's VGG in captioning: trained on digits, and then fixed."""

from pathlib import Path

import keras
import numpy as np
from keras import layers, ops

from examples.datasets import digit_grids
from examples.datasets.digit_grids import CELL, CELLS, EMPTY, SIDE
from examples.training import as_dataset, train

BATCH = 64
FINE, MAP, FEATURES = 14, 7, 128  # locations along a side: of the classifier, of annotations; width
# Width, pixels along a side, stride, and by how much the map is then pooled.
CONVOLUTIONS = (
    (32, 5, 2, 1),
    (64, 3, 1, 3),
    (64, 3, 1, 1),
    (64, 3, 1, 1),
    (FEATURES, 3, 1, 1),
)
PIXELS = SIDE * CELL


def trained_encoder(digits, directory, epochs, steps):
    """Trains or resumes it, on distorted digits.

    It learns to tell the digit of a cell, or that there is none, at each location that is not at
    the cell's border.

    Args:
        digits: Images (n, 28, 28) uint8 and labels (n,).
        directory: Of its checkpoint. Whoever names the same one shares it.
        epochs, steps: How many, and of how many batches.

    Returns:
        The encoder, pictures (batch, 84, 84, 1) uint8 -> features (batch, 49, 128), fixed; and the
        classifier, pictures -> logits (batch, 14, 14, 11) of nothing and the digits.
    """
    keras.utils.set_random_seed(0)
    image = keras.Input((PIXELS, PIXELS, 1), dtype="uint8", name="image")
    x = layers.Rescaling(1 / 255)(image)
    for width, size, strides, pooled in CONVOLUTIONS:
        x = layers.Conv2D(width, size, strides, padding="same", use_bias=False)(x)
        x = layers.Activation("relu")(layers.BatchNormalization(momentum=0.95)(x))
        x = layers.MaxPooling2D(pooled)(x) if pooled > 1 else x
    classifier = keras.Model(image, layers.Dense(11)(layers.Dropout(0.3)(x)))
    schedule = keras.optimizers.schedules.CosineDecay(3e-3, epochs * steps)
    classifier.compile(
        keras.optimizers.Adam(schedule),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        weighted_metrics=["accuracy"],
        jit_compile=False,  # on CPUs TensorFlow's own convolutions are 3 times as fast as XLA's
    )
    images, labels = digits
    counted = np.tile(is_inner().astype("float32"), (BATCH, 1, 1))

    def grids(epoch):
        distorted = distort(images, [0, epoch])

        def draw():
            rng = np.random.default_rng([0, epoch])
            for _ in range(steps):
                images, cells = digit_grids.draw_grids(distorted, labels, BATCH, rng, empty=0.2)
                yield images, cells[:, cell_of(FINE)].reshape(-1, FINE, FINE) - EMPTY, counted

        return as_dataset(draw, steps)

    settings = {"epochs": epochs, "steps": steps, "convolutions": CONVOLUTIONS}
    train(classifier, grids, epochs, Path(directory), settings)
    features = layers.Reshape((MAP * MAP, FEATURES))(layers.AveragePooling2D(2)(x))
    encoder = keras.Model(image, features)
    encoder.trainable = False
    return encoder, classifier


def row_of(side):
    """For the rows of a map: the row of cells in which a row's middle lies, and at which pixel."""
    middles = (np.arange(side) + 0.5) * PIXELS / side
    return (middles // CELL).astype("int32"), middles % CELL


def cell_of(side):
    """The cell of each location of a map, row by row."""
    rows, _ = row_of(side)
    return (SIDE * rows[:, None] + rows).reshape(-1)


def is_inner():
    """Whether each location of the classifier, (14, 14), is within the middle of its cell."""
    is_inner = abs(row_of(FINE)[1] - CELL / 2) <= CELL / 4
    return is_inner[:, None] & is_inner


def distort(images, seed):
    """Digits turned by up to 11 degrees, and made wider and higher, or less so, by up to 10 %."""
    turned, zoomed = np.random.default_rng(seed).integers(2**31, size=2)
    layer = keras.Sequential(
        [
            layers.RandomRotation(0.03, fill_mode="constant", seed=int(turned)),
            layers.RandomZoom(0.1, 0.1, fill_mode="constant", seed=int(zoomed)),
        ]
    )
    parts = np.array_split(images[..., None], -(-len(images) // 5000))  # for the memory's sake
    found = [ops.convert_to_numpy(layer(part, training=True)) for part in parts]
    return np.concatenate(found)[..., 0].round().astype("uint8")


def misread(classifier, images, digits):
    """The share of digits that the classifier takes for another, or for nothing, by its logits.

    Those of a cell's inner locations are averaged.
    """
    logits = classifier.predict(images, batch_size=500, verbose=0).reshape(len(images), -1, 11)
    inner = is_inner().reshape(-1) & np.equal.outer(np.arange(CELLS), cell_of(FINE))
    told = np.argmax(inner.astype("float32") @ logits, axis=-1) + EMPTY
    return float((told != digits)[digits != EMPTY].mean())
