"""JAX: everything by XLA."""

import jax
import jax.numpy as jnp
import keras
import numpy as np


def tensor(array, dtype):
    return jnp.asarray(array, dtype)


weight = tensor


def of_layer(layer, call):
    """A function of weights and inputs, and the weights."""
    variables = layer.trainable_variables

    def function(weights, *inputs):
        with keras.StatelessScope(state_mapping=zip(variables, weights, strict=True)):
            return call(*inputs)

    return function, [variable.value for variable in variables]


def compiled(function, mode):
    """`function` compiled by XLA."""
    return jax.jit(function)


def forward(program, mode):
    """A call without arguments that runs the program."""
    run = program.function if program.compiles_itself else jax.jit(program.function)
    return lambda: run(program.weights, *program.inputs)


def training(program, mode):
    """A call without arguments: forward, loss and the gradients of weights and inputs."""

    def loss(weights, *inputs):
        return jnp.sum(jnp.square(program.function(weights, *inputs).astype("float32")))

    run = jax.jit(jax.value_and_grad(loss, argnums=tuple(range(len(program.inputs) + 1))))
    return lambda: run(program.weights, *program.inputs)


def wait(result):
    """Returns when the result is there."""
    jax.block_until_ready(result)


def to_numpy(result):
    return np.asarray(result, "float32")


def float32_precision(allow_tf32):
    # JAX's own default on a GPU is TF32.
    jax.config.update("jax_default_matmul_precision", "tensorfloat32" if allow_tf32 else "highest")


def device():
    """The name of the accelerator, or None."""
    found = jax.devices()[0]
    return None if found.platform == "cpu" else found.device_kind


def peak_bytes():
    """The accelerator's high-water mark, or None on a CPU."""
    statistics = jax.devices()[0].memory_stats()
    return statistics["peak_bytes_in_use"] if device() and statistics else None
