"""What a contestant makes its program from."""

import dataclasses
from collections.abc import Callable

import numpy as np

from benchmarks.engines import engine_of
from benchmarks.families import FAMILIES


@dataclasses.dataclass(frozen=True)
class Program:
    """What is run: `function(weights, *inputs) -> output`, in the backend's own tensors.

    compiles_itself: whether it is a loop in Python that has compiled what it calls.
    """

    function: Callable
    weights: list
    inputs: list
    compiles_itself: bool = False


class Task:
    """One case for one contestant: sizes, data, and ways to make a program of a layer or function.

    Args:
        case: A `benchmarks.cases.Case`.
    """

    def __init__(self, case):
        self.engine = engine_of(case.backend)
        self.sizes = dict(case.sizes)
        self.mode = case.mode
        self.policy = "mixed_bfloat16" if case.dtype == "bfloat16" else "float32"
        self.dtype = "bfloat16" if case.dtype == "bfloat16" else "float32"
        # Random, never zeros: some processors and all sparse tricks are faster on zeros.
        self.data = FAMILIES[case.family].data(self.sizes, np.random.default_rng(0))

    def layer(self, layer, weights, call=None):
        """The program of a Keras layer.

        Args:
            layer: The layer, not built.
            weights: Its weights in the layer's order: arrays.
            call: What to do with the inputs; None calls the layer with them.
        """
        call = layer if call is None else call
        inputs = self.inputs()
        call(*(x[:1, :2] for x in inputs))  # builds it without the memory that a whole call takes
        layer.set_weights([np.asarray(w, "float32") for w in weights])
        return Program(*self.engine.of_layer(layer, call), inputs)

    def function(self, function, compiles_itself=False):
        """The program of `function(weights, *inputs)`, weights as the data names them."""
        weights = {name: self.engine.weight(w, self.dtype) for name, w in self.data.weights.items()}
        return Program(function, weights, self.inputs(), compiles_itself)

    def inputs(self):
        """The data's inputs as tensors."""
        return [self.engine.tensor(x, self.dtype) for x in self.data.inputs]


def program_of(case, name):
    """The program of a case's contestant of that name."""
    return FAMILIES[case.family].contestant(name).make(Task(case))
