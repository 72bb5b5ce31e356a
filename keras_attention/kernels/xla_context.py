"""Whether what is now evaluated goes through a compiler that fuses it."""

import keras


def is_compiled():
    """Whether XLA will fuse what is now traced."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        # TensorFlow does not promise this one: should it go, all is taken for uncompiled, which is
        # right everywhere and slower under XLA.
        enclosing = getattr(tf.__internal__, "get_enclosing_xla_context", lambda: None)
        # A product on a GPU has the digits of TensorFloat-32, which are not enough.
        return bool(enclosing() or tf.config.list_physical_devices("GPU"))
    return keras.backend.backend() == "jax"
