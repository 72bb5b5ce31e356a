"""Run a layer on the current backend and return numpy arrays."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_attention.testing.gradients import outputs_and_gradients


def to_numpy(nest: Any) -> tuple:
    """Convert a sequence of tensors to float64 numpy arrays."""
    return keras.tree.map_structure(
        lambda x: ops.convert_to_numpy(x).astype("float64"), tuple(nest)
    )


def compile_function(function: Callable) -> Callable:
    """Compile a function of tensors by XLA. On torch it is returned unchanged."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.function(function, jit_compile=True)
    if keras.backend.backend() == "jax":
        import jax

        return jax.jit(function)
    return function


class Evaluator:
    """Outputs and gradients of a built layer as numpy arrays.

    TensorFlow and torch run eagerly. JAX compiles one program for each set of inputs and options,
    because its eager operations are compiled one by one, which takes longer.

    Args:
        call: The case's `call`.
        layer: A built layer.
    """

    def __init__(self, call: Callable, layer: keras.layers.Layer):
        self.layer = layer
        self._call = call
        self._programs = {}

    def tensors(self, *data: Any, attention_mask: Any = None, **options: Any) -> tuple:
        """Return `(output, weights)`, or `(output,)` with `return_attention_scores=False`."""
        return self._program("outputs", len(data), options)(list(data), attention_mask)

    def outputs(self, *data: Any, attention_mask: Any = None, **options: Any) -> tuple:
        """Return `tensors` as float64 numpy arrays."""
        return to_numpy(self.tensors(*data, attention_mask=attention_mask, **options))

    def outputs_and_gradients(
        self, *data: Any, attention_mask: Any = None, loss_queries: Any = None, **options: Any
    ) -> tuple[tuple, list]:
        """Return `(output, weights)`, and the gradients of the sum of their squares.

        Args:
            data: Queries and values, then optionally their masks.
            attention_mask: Bool array or None.
            loss_queries: A slice of the queries whose outputs are in the loss; None for all.
            options: Call options.

        Returns:
            The outputs; the gradients with respect to queries, values and trainable variables.
        """
        run = self._program("gradients", len(data), {**options, "loss_queries": loss_queries})
        outputs, gradients = run(list(data), attention_mask)
        return to_numpy(outputs), gradients

    def _program(self, kind, count, options):
        key = kind, count, repr(sorted(options.items()))
        if key not in self._programs:
            create = self._create_outputs if kind == "outputs" else self._create_gradients
            self._programs[key] = create(**options)
        return self._programs[key]

    def _run(self, data, attention_mask, options):
        if attention_mask is not None:
            options = {**options, "attention_mask": attention_mask}
        return self._call(self.layer, *data, **options)

    def _create_outputs(self, **options):
        def call(data, attention_mask):
            result = self._run(data, attention_mask, options)
            return result if isinstance(result, tuple) else (result,)

        return compile_function(call) if keras.backend.backend() == "jax" else call

    def _create_gradients(self, loss_queries, **options):
        queries = slice(None) if loss_queries is None else loss_queries

        def compute(query, value, masks, attention_mask):
            output, weights = self._run([query, value, *masks], attention_mask, options)
            loss = sum(
                ops.sum(ops.square(ops.cast(x, "float32"))) for x in (output[:, queries], weights)
            )
            return loss, (output, weights)

        differentiate = outputs_and_gradients(compute, 2, self.layer.trainable_variables)

        def run(data, attention_mask):
            tensors = [ops.convert_to_tensor(np.asarray(x)) for x in data[:2]]
            return differentiate(*tensors, data[2:], attention_mask)

        return run
