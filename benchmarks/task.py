"""The task of a contestant: a case's sizes and data, and methods that create the program."""

import dataclasses
from collections.abc import Callable

import numpy as np

from benchmarks.engines import get_engine
from benchmarks.families import FAMILIES


@dataclasses.dataclass(frozen=True)
class Program:
    """A function `(weights, *inputs) -> output` and its arguments, which are backend tensors.

    compiles_itself: True for a Python loop that calls compiled functions; the engine then does not
    compile the function.
    """

    function: Callable
    weights: list
    inputs: list
    compiles_itself: bool = False


class Task:
    """A case's sizes and data, for one contestant.

    Args:
        case: A `benchmarks.cases.Case`.
    """

    def __init__(self, case):
        self.engine = get_engine(case.backend)
        self.sizes = dict(case.sizes)
        self.mode = case.mode
        self.policy = "mixed_bfloat16" if case.dtype == "bfloat16" else "float32"
        self.dtype = "bfloat16" if case.dtype == "bfloat16" else "float32"
        # Use random data, because some processors and all sparse implementations are faster on
        # zeros.
        self.data = FAMILIES[case.family].make_data(self.sizes, np.random.default_rng(0))

    def make_layer_program(self, layer, weights, call=None):
        """Return the program of a Keras layer.

        Args:
            layer: The layer, not built.
            weights: Arrays to set as the layer's weights, in the layer's order.
            call: Function of the inputs that calls the layer. Default: the layer itself.
        """
        call = layer if call is None else call
        inputs = self.make_inputs()
        # Build the layer by a call with small inputs, which needs less memory.
        call(*(x[:1, :2] for x in inputs))
        layer.set_weights([np.asarray(w, "float32") for w in weights])
        return Program(*self.engine.make_layer_function(layer, call), inputs)

    def make_function_program(self, function, compiles_itself=False):
        """Return the program of `function(weights, *inputs)`; weights are {name: tensor}."""
        weights = {
            name: self.engine.to_weight(array, self.dtype)
            for name, array in self.data.weights.items()
        }
        return Program(function, weights, self.make_inputs(), compiles_itself)

    def make_inputs(self):
        """Return the data's inputs as tensors."""
        return [self.engine.to_tensor(array, self.dtype) for array in self.data.inputs]


def make_program(case, name):
    """Return the program of the contestant `name` for a case."""
    return FAMILIES[case.family].get_contestant(name).make(Task(case))
