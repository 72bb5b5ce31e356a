"""Engine of JAX, which compiles all programs by XLA."""

import jax
import jax.numpy as jnp
import keras
import numpy as np


def to_tensor(array, dtype):
    return jnp.asarray(array, dtype)


to_weight = to_tensor


def make_layer_function(layer, call):
    """Return `call` as a function (weights, *inputs), and the layer's weights."""
    variables = layer.trainable_variables

    def function(weights, *inputs):
        with keras.StatelessScope(state_mapping=zip(variables, weights, strict=True)):
            return call(*inputs)

    return function, [variable.value for variable in variables]


def compile_function(function, mode):
    """Return the function compiled by XLA."""
    return jax.jit(function)


def make_forward(program, mode):
    """Return a function without arguments that runs the program."""
    run = program.function if program.compiles_itself else jax.jit(program.function)
    return lambda: run(program.weights, *program.inputs)


def make_training(program, mode):
    """Return a function without arguments: forward, loss, gradients of weights and inputs."""

    def loss(weights, *inputs):
        return jnp.sum(jnp.square(program.function(weights, *inputs).astype("float32")))

    run = jax.jit(jax.value_and_grad(loss, argnums=tuple(range(len(program.inputs) + 1))))
    return lambda: run(program.weights, *program.inputs)


def wait(result):
    """Block until the result is available."""
    jax.block_until_ready(result)


def to_numpy(result):
    return np.asarray(result, "float32")


def set_float32_precision(allow_tf32):
    # JAX's default on a GPU is TF32.
    jax.config.update("jax_default_matmul_precision", "tensorfloat32" if allow_tf32 else "highest")


def get_device_name():
    """Return the name of the accelerator, or None."""
    device = jax.devices()[0]
    return None if device.platform == "cpu" else device.device_kind


def get_peak_bytes():
    """Return the peak memory of the accelerator, or None on a CPU."""
    statistics = jax.devices()[0].memory_stats()
    return statistics["peak_bytes_in_use"] if get_device_name() and statistics else None
