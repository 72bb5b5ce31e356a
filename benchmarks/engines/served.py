"""Served programs: exported for any batch size and length, and run by TensorFlow's C++ loader."""

import tempfile

import tensorflow as tf

from keras_attention.export.checks.c_loader.library import find_tensorflow_folder
from keras_attention.export.checks.c_loader.model import Model


def make_forward(program):
    """Return a function without arguments that runs the program's SavedModel, without XLA."""
    module = tf.Module()
    module.weights = program.weights  # The attributes of a module are saved with it.
    shapes = [[None] * (len(x.shape) - 1) + [x.shape[-1]] for x in program.inputs]
    names = [f"input_{n}" for n in range(len(shapes))]
    specs = [
        tf.TensorSpec(shape, x.dtype, name)
        for shape, x, name in zip(shapes, program.inputs, names, strict=True)
    ]

    def run(*inputs):
        return {"output": program.function(program.weights, *inputs)}

    module.run = tf.function(run, input_signature=specs, autograph=False)
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(module, folder, signatures={"serving_default": module.run})
        # The graph itself does not use XLA. `disable_xla=True` would disable it for all programs
        # of this process.
        model = Model(folder, find_tensorflow_folder(), disable_xla=False)
    inputs = {name: x.numpy() for name, x in zip(names, program.inputs, strict=True)}
    return lambda: tf.constant(model.run("serving_default", inputs)["output"])
