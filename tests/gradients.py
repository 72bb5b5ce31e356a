"""Gradients of a scalar on the current backend, as numpy arrays."""

from keras_attention.testing.gradients import gradients

__all__ = ["gradients", "with_gradient"]


def with_gradient(function):
    """Return a function (query, key) -> (value, query gradient, key gradient), for TensorFlow.

    `function(query, key)` computes the scalar value.
    """
    import tensorflow as tf

    def run(query, key):
        with tf.GradientTape() as tape:
            tape.watch([query, key])
            value = function(query, key)
        return value, *tape.gradient(value, [query, key])

    return run
