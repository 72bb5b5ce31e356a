"""TensorFlow: graphs, plain, compiled by XLA or exported and served."""

import tensorflow as tf


def tensor(array, dtype):
    return tf.cast(tf.constant(array), dtype)


def weight(array, dtype):
    return tf.Variable(tf.cast(tf.constant(array), dtype))


def of_layer(layer, call):
    """A function of weights and inputs, and the weights."""
    weights = [variable.value for variable in layer.trainable_variables]
    return lambda weights, *inputs: call(*inputs), weights


def compiled(function, mode):
    """`function` as a graph."""
    return tf.function(function, jit_compile=mode == "xla", autograph=False)


def forward(program, mode):
    """A call without arguments that runs the program."""
    if mode == "served":
        from benchmarks.engines import served

        return served.forward(program)

    def run(*inputs):
        return program.function(program.weights, *inputs)

    run = run if program.compiles_itself else compiled(run, mode)
    return lambda: run(*program.inputs)


def training(program, mode):
    """A call without arguments: forward, loss and the gradients of weights and inputs."""

    def step(*inputs):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            output = program.function(program.weights, *inputs)
            loss = tf.reduce_sum(tf.square(tf.cast(output, "float32")))
        return loss, tape.gradient(loss, [program.weights, list(inputs)])

    run = compiled(step, mode)
    return lambda: run(*program.inputs)


def wait(result):
    """Returns when the result is there."""
    for leaf in tf.nest.flatten(result)[:1]:
        leaf.numpy()


def to_numpy(result):
    return tf.cast(result, "float32").numpy()


def float32_precision(allow_tf32):
    tf.config.experimental.enable_tensor_float_32_execution(allow_tf32)


def device():
    """The name of the accelerator, or None."""
    found = tf.config.list_physical_devices("GPU")
    return tf.config.experimental.get_device_details(found[0])["device_name"] if found else None


def peak_bytes():
    """The accelerator's high-water mark, or None on a CPU."""
    if device() is None:
        return None
    return tf.config.experimental.get_memory_info("GPU:0")["peak"]
