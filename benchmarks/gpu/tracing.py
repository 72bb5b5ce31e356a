"""Tracing of each case of `tests/layers/contract` by TensorFlow: forward and training step."""

import inspect
import itertools
import re

import keras
import numpy as np
import tensorflow as tf

from benchmarks.gpu.program import Program
from keras_attention.testing.data import WIDTH
from tests.layers.contract.rows import ROWS

BATCH, QUERIES, KEYS = 3, 5, 11


def create_forward(case, layer):
    """Return a function that calls the layer in inference and returns output and weights."""

    def run(names, *data):
        outputs = case.call(layer, *data, training=False)
        names += ["value output", "value weights"]
        return outputs

    return run


def create_training_step(case, layer):
    """Return a function that runs one step of SGD and returns loss, outputs and gradients.

    SGD is used because Adam would make full steps from gradients that are only rounding errors.
    """
    variables = layer.trainable_variables
    optimizer = keras.optimizers.SGD(0.01)
    optimizer.build(variables)

    def run(names, *data):
        sources = {"query": data[0], "value": data[1], **{v.path: v.value for v in variables}}
        with tf.GradientTape() as tape:
            tape.watch(data[:2])
            outputs = case.call(layer, *data, training=True)
            loss = sum(tf.reduce_sum(tf.cast(x, "float32") ** 2) for x in outputs)
            loss += sum(tf.cast(extra, "float32") for extra in layer.losses)
        gradients = tape.gradient(loss, sources)
        variable_gradients = [
            tf.zeros(v.shape, v.dtype) if gradients[v.path] is None else gradients[v.path]
            for v in variables
        ]
        if variables:
            optimizer.apply(variable_gradients, variables)
        gradients = {name: grad for name, grad in gradients.items() if grad is not None}
        names += ["value loss", "value output", "value weights"]
        names += [f"gradient {name}" for name in gradients]
        return [loss, *outputs, *gradients.values()]

    return run


KINDS = {"forward": create_forward, "training": create_training_step}
PROGRAMS = ["float32.forward", "float32.training", "mixed_bfloat16.training"]


def names():
    """Return the names of all programs: case, dtype policy and kind, joined by dots."""
    return [".".join(parts) for parts in itertools.product(ROWS, PROGRAMS)]


def trace(name):
    """Trace the program of a name in `names()`."""
    case_name, policy, kind = name.split(".")
    case = ROWS[case_name]
    keras.utils.set_random_seed(0)
    takes_dropout = "dropout" in inspect.signature(case.layer_class.__init__).parameters
    layer = case.make(dtype=policy, **({"dropout": 0.1} if takes_dropout else {}))
    data = create_inputs()
    case.call(layer, *data)
    rng = np.random.default_rng(1)
    for variable in layer.trainable_variables:
        variable.assign(0.5 * rng.normal(size=variable.shape))
    return Traced(name, KINDS[kind](case, layer), data)


def create_inputs():
    """Return queries, values and masks of three sequences.

    The first sequence has no visible key, the second one has no padding.
    """
    rng = np.random.default_rng(0)
    query = rng.normal(size=(BATCH, QUERIES, WIDTH)).astype("float32")
    value = rng.normal(size=(BATCH, KEYS, WIDTH)).astype("float32")
    query_mask = np.arange(QUERIES) < np.array([[QUERIES], [QUERIES], [3]])
    value_mask = np.arange(KEYS) < np.array([[0], [KEYS], [4]])
    return query, value, query_mask, value_mask


class Traced:
    """The XLA program of `function(names, *data)`.

    The function returns its outputs, and appends their names to the list `names`.
    """

    def __init__(self, name, function, data):
        def run(*tensors):
            self.output_names = []
            return function(self.output_names, *tensors)

        self.name = name
        self.arguments = [tf.constant(x) for x in data]
        self.function = tf.function(run, jit_compile=True, autograph=False)
        concrete = self.function.get_concrete_function(*self.arguments)
        self.captures = concrete.captured_inputs
        self.variables = {id(variable.handle): variable for variable in concrete.variables}
        self.ir = self.function.experimental_get_compiler_ir(*self.arguments)

    def hlo(self):
        """Return the serialized XLA module."""
        return self.ir(stage="hlo_serialized")

    def program(self):
        """Run the module by XLA on the CPU; return it with its parameters and outputs."""
        head = self.ir(stage="hlo").split("\n", 1)[0]
        hlo = self.hlo()
        # XLA's parameters are the arguments, then the tensors that the function captured.
        parameters = [x.numpy() for x in self.arguments] + [self._value(c) for c in self.captures]
        if [p.shape for p in parameters] != _parse_parameter_shapes(head):
            raise ValueError(
                f"Expected parameters of the shapes {_parse_parameter_shapes(head)}. "
                f"Received: name={self.name!r}, shapes={[p.shape for p in parameters]}"
            )
        results = [np.asarray(x) for x in tf.nest.flatten(self.function(*self.arguments))]
        results = iter(zip(self.output_names, results, strict=True))
        updated = _parse_updated_parameters(head)
        outputs = []
        for i in range(len(self.output_names) + len(updated)):
            if i in updated:
                capture = self.captures[updated[i] - len(self.arguments)]
                name = f"variable {self.variables[id(capture)].name}"
                outputs.append((name, self._value(capture)))
            else:
                outputs.append(next(results))
        return Program(self.name, hlo, parameters, outputs)

    def _value(self, capture):
        is_variable = capture.dtype == tf.resource
        return np.asarray(self.variables[id(capture)].read_value() if is_variable else capture)


def _parse_updated_parameters(head):
    """Parse the updated variables, {index of output: index of parameter}.

    Args:
        head: First line of the module's text.
    """
    return {int(o): int(p) for o, p in re.findall(r"\{(\d+)\}: \((\d+), \{\}", head)}


def _parse_parameter_shapes(head):
    """Parse the shapes of the parameters from the first line of the module's text."""
    layout = head.split("entry_computation_layout=")[1].split("->")[0]
    sizes = re.findall(r"\w+\[([\d,]*)\]", layout)
    return [tuple(int(n) for n in shape.split(",") if n) for shape in sizes]
