"""Engine of TensorFlow: plain graphs, graphs compiled by XLA, and exported (served) graphs."""

import tensorflow as tf


def to_tensor(array, dtype):
    return tf.cast(tf.constant(array), dtype)


def to_weight(array, dtype):
    return tf.Variable(tf.cast(tf.constant(array), dtype))


def make_layer_function(layer, call):
    """Return `call` as a function (weights, *inputs), and the layer's weights.

    The function ignores its weights and uses the layer's variables.
    """
    weights = [variable.value for variable in layer.trainable_variables]
    return lambda weights, *inputs: call(*inputs), weights


def compile_function(function, mode):
    """Return the function as a graph, compiled by XLA in mode "xla"."""
    return tf.function(function, jit_compile=mode == "xla", autograph=False)


def make_forward(program, mode):
    """Return a function without arguments that runs the program."""
    if mode == "served" and not program.compiles_itself:  # other libraries run as they do alone
        from benchmarks.engines import served

        return served.make_forward(program)

    def run(*inputs):
        return program.function(program.weights, *inputs)

    run = run if program.compiles_itself else compile_function(run, mode)
    return lambda: run(*program.inputs)


def make_training(program, mode):
    """Return a function without arguments: forward, loss, gradients of weights and inputs."""

    def step(*inputs):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            output = program.function(program.weights, *inputs)
            loss = tf.reduce_sum(tf.square(tf.cast(output, "float32")))
        return loss, tape.gradient(loss, [program.weights, list(inputs)])

    run = compile_function(step, mode)
    return lambda: run(*program.inputs)


def wait(result):
    """Block until the result is available."""
    for leaf in tf.nest.flatten(result)[:1]:
        leaf.numpy()


def to_numpy(result):
    return tf.cast(result, "float32").numpy()


def set_float32_precision(allow_tf32):
    tf.config.experimental.enable_tensor_float_32_execution(allow_tf32)


def get_device_name():
    """Return the name of the accelerator, or None."""
    gpus = tf.config.list_physical_devices("GPU")
    return tf.config.experimental.get_device_details(gpus[0])["device_name"] if gpus else None


def get_peak_bytes():
    """Return the peak memory of the accelerator, or None on a CPU."""
    if get_device_name() is None:
        return None
    return tf.config.experimental.get_memory_info("GPU:0")["peak"]
