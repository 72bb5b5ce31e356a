"""The number whose gradient is computed: one of a model's outputs, for each example."""

from typing import Any

import numpy as np
from keras import ops, tree

from keras_attention import arguments
from keras_attention.top_k import top_k
from keras_attention.types import Nest, Tensor

SHAPES = {1: "(batch,)", 2: "(batch, steps)", 3: "(batch, steps, features)"}


class Target:
    """An output for each example, or for each example and output step.

    Args:
        target: None for the predicted class, the number of a class, an integer array of one per
            example (and step), or a function of the model's outputs.
        rank: Rank of the target: 1 for `(batch,)`, 2 for `(batch, steps)`, 3 for
            `(batch, steps, features)`.
    """

    def __init__(self, target: Any = None, rank: int = 1):
        is_callable = target is None or callable(target)
        if not is_callable and not arguments.is_integer(target):
            target = np.asarray(target)
            if target.ndim != rank or target.dtype.kind not in "iu":
                raise ValueError(
                    f"Expected `target` to be None, an integer, integers {SHAPES[rank]}, or a "
                    f"function of the model's outputs. Received: target of shape {target.shape} "
                    f"and dtype {target.dtype}"
                )
        self.target: Any = target
        self.rank = rank

    def choose(self, outputs: Nest, rows: slice = slice(None)) -> Tensor | None:
        """Return the numbers of the classes of some examples, int32; None for a function.

        Args:
            outputs: The model's outputs for these examples.
            rows: The examples among those of the array `target`.
        """
        if callable(self.target):
            return None
        outputs = self._check_outputs(outputs)
        if self.target is None:
            return top_k(outputs, 1)[1][..., 0]
        count, shape = outputs.shape[-1], ops.shape(outputs)[:-1]
        numbers = self.target
        if isinstance(numbers, np.ndarray):
            target_shape, numbers = numbers.shape, numbers[rows]
            if tuple(numbers.shape) != tuple(outputs.shape[:-1]):
                raise ValueError(
                    "Expected `target` to have an integer for each of the model's outputs "
                    f"{tuple(outputs.shape)}. Received: target of shape {target_shape}"
                )
        if np.min(numbers, initial=0) < 0 or np.max(numbers, initial=0) >= count:
            raise ValueError(
                f"Expected `target` to be in the range [0, {count}), as the model returns {count} "
                f"values. Received: target={self.target!r}"
            )
        return ops.broadcast_to(ops.convert_to_tensor(numbers, "int32"), shape)

    def select(self, outputs: Nest, numbers: Tensor | None) -> Tensor:
        """Return the outputs of the chosen classes, or the values of the function."""
        if numbers is None:
            return self._call_target(outputs)
        outputs = self._check_outputs(outputs)
        return ops.take_along_axis(outputs, numbers[..., None], axis=-1)[..., 0]

    def _call_target(self, outputs):
        values = ops.convert_to_tensor(self.target(outputs))
        if len(values.shape) != self.rank:
            raise ValueError(
                f"Expected the function `target` to return {SHAPES[self.rank]}. "
                f"Received: values of shape {tuple(values.shape)}"
            )
        return values

    def _check_outputs(self, outputs):
        """Return the model's one output, with an axis of classes."""
        leaves = tree.flatten(outputs)
        if len(leaves) == 1 and len(leaves[0].shape) == self.rank:  # one value instead of classes
            return leaves[0][..., None]
        if len(leaves) != 1 or len(leaves[0].shape) != self.rank + 1:
            kind = "(batch, classes)" if self.rank == 1 else "(batch, steps, classes)"
            shapes = [tuple(leaf.shape) for leaf in leaves]
            raise ValueError(
                f"Expected a model that returns {kind}, or a `target` that is a function of its "
                f"outputs. Received: outputs of shapes {shapes}"
            )
        return leaves[0]
