"""Fréchet distance between sets of images, on features of a small classifier.

The literature's Fréchet inception distance uses features of a large network trained on ImageNet.
This distance uses features of a small network, which is trained in minutes to classify the images
of the data set. Two values are therefore comparable only for the same data and classifier.
"""

import keras
import numpy as np
from keras import layers

from examples.training import as_dataset, train

BATCH = 100


def train_classifier(images, classes, directory, epochs=2, seed=0):
    """Train or resume a small convolutional classifier on images (n, H, W, C), classes (n,).

    Returns:
        A model: images -> their features (batch, 64) and the logits of their classes.
    """
    keras.utils.set_random_seed(seed)
    inputs = x = keras.Input(images.shape[1:])
    for width in (16, 32, 64):
        x = layers.Conv2D(width, 3, padding="same", activation="relu")(x)
        x = layers.MaxPooling2D()(x)
    features = layers.Dense(64, activation="relu")(layers.Flatten()(x))
    logits = layers.Dense(int(classes.max()) + 1)(features)
    model = keras.Model(inputs, logits)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1e-3), loss, metrics=["accuracy"], jit_compile=True)
    steps = len(images) // BATCH

    def batches(epoch):
        order = np.random.default_rng([seed, epoch]).permutation(len(images))[: steps * BATCH]
        chosen = order.reshape(steps, BATCH)
        return as_dataset(lambda: ((images[rows], classes[rows]) for rows in chosen), steps)

    settings = {"images": len(images), "epochs": epochs, "seed": seed}
    train(model, batches, epochs, directory, settings)
    return keras.Model(inputs, [features, logits])


def compute_distance(first, second):
    """Return the squared Fréchet distance of two sets of features (n, d).

    Both sets are assumed to be normally distributed, with means m and covariances C:
    |m1 - m2|^2 + trace(C1 + C2 - 2 (C1 C2)^(1/2)).
    """
    means = np.subtract(first.mean(0, dtype="float64"), second.mean(0, dtype="float64"))
    covariances = [np.cov(x.astype("float64"), rowvar=False) for x in (first, second)]
    # C1 C2 has the same eigenvalues as C1^(1/2) C2 C1^(1/2), which is symmetric.
    values, vectors = np.linalg.eigh(covariances[0])
    root = vectors * np.sqrt(np.maximum(values, 0)) @ vectors.T
    common = np.linalg.eigvalsh(root @ covariances[1] @ root)
    trace = np.trace(sum(covariances)) - 2 * np.sqrt(np.maximum(common, 0)).sum()
    return float(means @ means + trace)
