"""Gradients of a scalar on the current backend, as numpy arrays."""

from keras_attention.testing.gradients import gradients

__all__ = ["gradients", "with_gradient"]


def with_gradient(function):
    """Return a function of query and key: `function`'s scalar and its gradients, by TensorFlow."""
    import tensorflow as tf

    def run(query, key):
        with tf.GradientTape() as tape:
            tape.watch([query, key])
            value = function(query, key)
        return value, *tape.gradient(value, [query, key])

    return run
