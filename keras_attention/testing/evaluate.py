"""Run a layer on the current backend and return numpy arrays."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_attention.precision import at_least_float32
from keras_attention.testing.backends import compile_function, to_numpy, to_tensor
from keras_attention.testing.data import BATCH
from keras_attention.testing.gradients import outputs_and_gradients
from keras_attention.testing.second_derivatives import gradients_of_slope


def compute_loss(*outputs: Any) -> Any:
    """Return the sum of the sines of all outputs: the loss that the checks differentiate."""
    return sum(ops.sum(ops.sin(at_least_float32(x))) for x in outputs)


class Evaluator:
    """Outputs and gradients of a built layer as numpy arrays.

    TensorFlow and torch run eagerly. JAX compiles one program for each set of inputs and options.
    Its eager mode would take longer, because it compiles every operation separately.

    Args:
        call: The case's `call`.
        layer: A built layer.
    """

    def __init__(self, call: Callable, layer: keras.layers.Layer):
        self.layer = layer
        self._call = call
        self._programs = {}
        # Outputs and gradients for the example, which several checks share.
        self.example_results: Any = None

    def tensors(self, *data: Any, attention_mask: Any = None, **options: Any) -> tuple:
        """Return `(output, weights)`, or `(output,)` with `return_attention_scores=False`."""
        return self._program("outputs", len(data), options)(list(data), attention_mask)

    def outputs(self, *data: Any, attention_mask: Any = None, **options: Any) -> tuple:
        """Return `tensors` as float64 numpy arrays."""
        return to_numpy(self.tensors(*data, attention_mask=attention_mask, **options))

    def outputs_and_gradients(
        self, *data: Any, attention_mask: Any = None, loss_queries: Any = None, **options: Any
    ) -> tuple[tuple, list]:
        """Return `(output, weights)`, and the gradients of the sum of their sines.

        A sine's gradient is in [-1, 1], however large the output is.

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

    def outputs_of_samples(self, *data: Any) -> list[np.ndarray]:
        """Return `outputs` for any number of samples, in the same blocks as `results`."""
        blocks = [self.outputs(*block) for block in _split_samples(data)]
        return [np.concatenate(x) for x in zip(*blocks, strict=True)]

    def results(self, *data: Any) -> dict[str, np.ndarray]:
        """Return outputs and gradients by name.

        JAX evaluates `BATCH` samples at a time, with the program that other checks use as well.
        Outputs and gradients of inputs are concatenated; gradients of variables are summed.

        Args:
            data: Queries and values, then optionally their masks, of any number of samples.
        """
        blocks = []
        for block in _split_samples(data):
            outputs, gradients = self.outputs_and_gradients(*block)
            blocks.append([*outputs, *(np.asarray(x, "float64") for x in gradients)])
        names = ["output", "weights", "gradient of the queries", "gradient of the values"]
        results = [np.concatenate(x) for x in zip(*(block[:4] for block in blocks), strict=True)]
        for number, variable in enumerate(self.layer.trainable_variables):
            names.append(f"gradient of weight {number}, {variable.name!r}")
        results += [np.sum(x, axis=0) for x in zip(*(block[4:] for block in blocks), strict=True)]
        return dict(zip(names, results, strict=True))

    def slope_gradients(self, query: Any, value: Any, *masks: Any, directions: Any) -> list:
        """Return second derivatives: the gradients of the loss's slope in a direction.

        Args:
            query: Queries.
            value: Values.
            masks: Their masks.
            directions: One array each for queries, values and trainable variables.
        """
        program = self._program("slope", 2 + len(masks), {})
        tensors = [to_tensor(x) for x in (query, value)]
        return program(*tensors, list(masks), directions=directions)

    def run_compiled(self, *data: Any) -> tuple:
        """Return `(output, weights)` of a call in inference mode, compiled by XLA."""
        return self._program("compiled", len(data), {})(*data)

    def _program(self, kind, count, options):
        key = kind, count, repr(sorted(options.items()))
        if key not in self._programs:
            self._programs[key] = getattr(self, f"_create_{kind}")(**options)
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
            return compute_loss(output[:, queries], weights), (output, weights)

        differentiate = outputs_and_gradients(compute, 2, self.layer.trainable_variables)

        def run(data, attention_mask):
            tensors = [to_tensor(x) for x in data[:2]]
            return differentiate(*tensors, data[2:], attention_mask)

        return run

    def _create_slope(self):
        def compute(query, value, masks):
            return compute_loss(*self._run([query, value, *masks], None, {}))

        return gradients_of_slope(compute, 2, self.layer.trainable_variables)

    def _create_compiled(self):
        return compile_function(lambda *data: self._call(self.layer, *data, training=False))


def _split_samples(data):
    """Yield the data as one block, or on JAX in blocks of `BATCH` samples."""
    count = len(data[0])
    is_split = keras.backend.backend() == "jax" and count % BATCH == 0
    size = BATCH if is_split else count
    for first in range(0, count, size):
        yield [x[first : first + size] for x in data]
