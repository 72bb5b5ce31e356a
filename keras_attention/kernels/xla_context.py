"""Detect whether the current trace will be compiled by XLA."""

import keras


def is_compiled():
    """Return whether XLA will fuse the operations now traced; on TensorFlow, True on any GPU."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        # Without a compiler, matrix products replace the compiled loops. On a GPU these products
        # have the precision of TensorFloat-32, which is too low, so the loops are used there.
        return is_inside_xla() or bool(tf.config.list_physical_devices("GPU"))
    return keras.backend.backend() == "jax"


def is_inside_xla():
    """Return whether TensorFlow traces operations for XLA."""
    import tensorflow as tf

    # This function is not part of TensorFlow's public API. Without it every trace counts as not
    # compiled, which gives correct results, and is slower under XLA.
    enclosing = getattr(tf.__internal__, "get_enclosing_xla_context", lambda: None)
    return bool(enclosing())
