"""Every row of the layers' contract as programs that TensorFlow traced: forward and training."""

import inspect
import itertools
import re

import keras
import numpy as np
import tensorflow as tf

from benchmarks.gpu.program import Program
from tests.layers.contract_rows import ROWS, WIDTH

BATCH, QUERIES, KEYS = 3, 5, 11


def forward(row, layer):
    """A pass without training: output and weights."""

    def run(names, *data):
        outputs = row.call(layer, *data, training=False)
        names += ["value output", "value weights"]
        return outputs

    return run


def training_step(row, layer):
    """Forward, backward and an update by SGD: loss, outputs, gradients.

    SGD, because Adam makes full steps of gradients that are zero but for rounding.
    """
    variables = layer.trainable_variables
    optimizer = keras.optimizers.SGD(0.01)
    optimizer.build(variables)

    def run(names, *data):
        sources = {"query": data[0], "value": data[1], **{v.path: v.value for v in variables}}
        with tf.GradientTape() as tape:
            tape.watch(data[:2])
            outputs = row.call(layer, *data, training=True)
            loss = sum(tf.reduce_sum(tf.cast(x, "float32") ** 2) for x in outputs)
            loss += sum(tf.cast(extra, "float32") for extra in layer.losses)
        found = tape.gradient(loss, sources)
        zero_where_none = [
            tf.zeros(v.shape, v.dtype) if found[v.path] is None else found[v.path]
            for v in variables
        ]
        if variables:
            optimizer.apply(zero_where_none, variables)
        found = {name: gradient for name, gradient in found.items() if gradient is not None}
        names += ["value loss", "value output", "value weights"]
        names += [f"gradient {name}" for name in found]
        return [loss, *outputs, *found.values()]

    return run


KINDS = {"forward": forward, "training": training_step}
PROGRAMS = ["float32.forward", "float32.training", "mixed_bfloat16.training"]


def names():
    """The names of all programs: row, dtype policy and kind, joined by dots."""
    return [".".join(parts) for parts in itertools.product(ROWS, PROGRAMS)]


def trace(name):
    """The program of that name, traced by TensorFlow."""
    row_name, policy, kind = name.split(".")
    row = ROWS[row_name]
    keras.utils.set_random_seed(0)
    takes_dropout = "dropout" in inspect.signature(row.layer.__init__).parameters
    layer = row.make(dtype=policy, **({"dropout": 0.1} if takes_dropout else {}))
    data = inputs()
    row.call(layer, *data)
    rng = np.random.default_rng(1)
    for variable in layer.trainable_variables:
        variable.assign(0.5 * rng.normal(size=variable.shape))
    return Traced(name, KINDS[kind](row, layer), data)


def inputs():
    """Queries, values and their masks: one sequence has no real value, one is whole."""
    rng = np.random.default_rng(0)
    query = rng.normal(size=(BATCH, QUERIES, WIDTH)).astype("float32")
    value = rng.normal(size=(BATCH, KEYS, WIDTH)).astype("float32")
    query_mask = np.arange(QUERIES) < np.array([[QUERIES], [QUERIES], [3]])
    value_mask = np.arange(KEYS) < np.array([[0], [KEYS], [4]])
    return query, value, query_mask, value_mask


class Traced:
    """What XLA compiles when TensorFlow runs `function(names, *data)`, which fills in the names."""

    def __init__(self, name, function, data):
        def collecting(*tensors):
            self.output_names = []
            return function(self.output_names, *tensors)

        self.name = name
        self.arguments = [tf.constant(x) for x in data]
        self.function = tf.function(collecting, jit_compile=True, autograph=False)
        concrete = self.function.get_concrete_function(*self.arguments)
        self.captures = concrete.captured_inputs
        self.variables = {id(variable.handle): variable for variable in concrete.variables}
        self.ir = self.function.experimental_get_compiler_ir(*self.arguments)

    def hlo(self):
        """The serialized XLA module."""
        return self.ir(stage="hlo_serialized")

    def program(self):
        """The module with its parameters and, from one run by XLA on the CPU, its outputs."""
        head = self.ir(stage="hlo").split("\n", 1)[0]
        hlo = self.hlo()
        # XLA's parameters are the arguments, then what the function captured.
        parameters = [x.numpy() for x in self.arguments] + [self._value(c) for c in self.captures]
        if [p.shape for p in parameters] != _parameter_shapes(head):
            raise ValueError(
                f"Expected parameters of the shapes {_parameter_shapes(head)}. "
                f"Received: name={self.name!r}, shapes={[p.shape for p in parameters]}"
            )
        results = [np.asarray(x) for x in tf.nest.flatten(self.function(*self.arguments))]
        results = iter(zip(self.output_names, results, strict=True))
        updated = _updated_parameters(head)
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


def _updated_parameters(head):
    """{output: parameter} of the variables in the first line of a module's text."""
    return {int(o): int(p) for o, p in re.findall(r"\{(\d+)\}: \((\d+), \{\}", head)}


def _parameter_shapes(head):
    """The shapes of the parameters in the first line of a module's text."""
    layout = head.split("entry_computation_layout=")[1].split("->")[0]
    sizes = re.findall(r"\w+\[([\d,]*)\]", layout)
    return [tuple(int(n) for n in each.split(",") if n) for each in sizes]
