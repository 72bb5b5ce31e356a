"""The gradient of a target with respect to a model's inputs or to a layer's outputs."""

from collections.abc import Callable
from typing import NamedTuple

from keras import ops

from keras_attention.explain.inner_function import InnerFunction
from keras_attention.explain.model_batches import check_floats
from keras_attention.explain.targets import Target
from keras_attention.kernels.gradients import make_gradient
from keras_attention.types import Nest, Tensor


class Binding(NamedTuple):
    """The target as a function of the points, for some inputs.

    Attributes:
        points: The values of the points.
        compute: Function `(points, cotangent=None) -> gradients`, float32. The cotangent are the
            factors of the target's elements, 1 by default.
        shape: Shape of the target and of cotangents.
        numbers: The numbers of the explained classes; None if the target is a function.
    """

    points: list[Tensor]
    compute: Callable[..., list[Tensor]]
    shape: tuple
    numbers: Tensor | None


class TargetGradient:
    """Computes gradients of the target at any values of a function's points.

    Args:
        function: The model as a function of the points.
        target: The target among the model's outputs.
        use_graph: Whether TensorFlow traces a graph, which pays off if it runs often.
    """

    def __init__(self, function: InnerFunction, target: Target, use_graph: bool = False):
        self.function, self.target = function, target
        self._gradient = make_gradient(self._select, function.model.variables, use_graph)

    def bind(self, inputs: Nest, rows: slice = slice(None)) -> Binding:
        """Return the points' values for some inputs, and a function that computes gradients.

        The classes are those predicted for the inputs, also where the gradients are computed at
        other values.

        Args:
            inputs: Nest of tensors, a batch.
            rows: The batch's examples among those of the target.
        """
        outputs, points = self.function.record(inputs)
        check_floats(self.function, points)
        numbers = self.target.choose(outputs, rows)
        ones = ops.ones_like(self.target.select(outputs, numbers))

        def compute(points, cotangent=None):
            cotangent = ones if cotangent is None else ops.cast(cotangent, ones.dtype)
            gradients = self._gradient(points, (inputs, numbers), cotangent)
            return [ops.cast(gradient, "float32") for gradient in gradients]

        return Binding(points, compute, tuple(ones.shape), numbers)

    def _select(self, points, arguments):
        inputs, numbers = arguments
        return self.target.select(self.function(points, inputs), numbers)
