"""Data of the families: normal numbers from a seeded generator."""

import numpy as np


def normal(rng, *shape):
    """Inputs of variance 1."""
    return rng.normal(size=shape).astype("float32")


def weights(rng, **shapes):
    """{name: array}; of variance 1 / fan-in, so that what is computed stays of size 1."""
    return {
        name: normal(rng, *shape) / np.float32(shape[0] ** 0.5) for name, shape in shapes.items()
    }
