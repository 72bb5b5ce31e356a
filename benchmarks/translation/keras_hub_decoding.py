"""keras-hub's samplers, with the same model's `begin` and `step` as ours."""

import keras
import keras_hub
from keras import ops

from benchmarks.task import Program
from benchmarks.translation.networks import START, make_network


def make_decoding(task, model):
    """Return the program that translates a batch of sources."""
    network = make_network(model, task.sizes)
    steps, width = task.sizes["length"], task.sizes["beam"]
    sampler = (
        keras_hub.samplers.GreedySampler()
        if width == 1
        else keras_hub.samplers.BeamSampler(num_beams=width)
    )

    def translate(source):
        source = ops.cast(source, "int32")
        start = network.begin(source, steps)
        memory = keras.tree.map_structure(
            lambda x: ops.repeat(x, width, axis=0) if width > 1 else x, start["memory"]
        )

        def step(prompt, state, index):
            tokens = ops.take(prompt, index - 1, axis=1)
            logits, state, _ = network.step(tokens, state, memory)
            return logits, None, state

        prompt = ops.full((ops.shape(source)[0], steps + 1), START, "int32")
        return sampler(step, prompt, cache=start["state"], index=1)[:, 1:]

    function, weights = task.engine.make_layer_function(network.model, translate)
    return Program(function, weights, task.make_inputs())
