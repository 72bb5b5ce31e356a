"""Initialize several weights from one initializer with different values."""

import keras

from keras_attention.types import Initializer


def clone_initializer(initializer: Initializer) -> Initializer:
    """Copy an initializer, because calling the same object twice returns equal weights.

    A function is returned unchanged. If the user has given the initializer a seed, its copies have
    the same seed, so they still return equal weights.
    """
    is_object = isinstance(initializer, keras.initializers.Initializer)
    return initializer.clone() if is_object else initializer
