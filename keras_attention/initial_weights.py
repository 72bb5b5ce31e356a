"""Initialize several weights from one initializer with different values."""

import keras

from keras_attention.types import Initializer


def clone_initializer(initializer: Initializer) -> Initializer:
    """Copy an initializer, because calling the same object twice returns equal weights.

    A function is returned unchanged. Copies of an initializer with a seed of the user's return the
    values of that seed, and so equal weights.
    """
    is_object = isinstance(initializer, keras.initializers.Initializer)
    return initializer.clone() if is_object else initializer
