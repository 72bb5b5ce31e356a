"""Random arrays for the families' data, from a seeded generator."""

import numpy as np


def sample_normal(rng, *shape):
    """Return float32 numbers of variance 1."""
    return rng.normal(size=shape).astype("float32")


def sample_weights(rng, **shapes):
    """Return {name: array} with variance 1 / fan-in, so that layer outputs have variance 1."""
    return {
        name: sample_normal(rng, *shape) / np.float32(shape[0] ** 0.5)
        for name, shape in shapes.items()
    }
