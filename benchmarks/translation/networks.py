"""The examples' translation models at a benchmark's sizes, and their programs."""

import keras
import numpy as np
from keras import ops

from benchmarks.task import Program
from examples.encoder_decoder import EncoderDecoder
from examples.transformer_network import Transformer

START = 1
LEARNING_RATE = 1e-3


def make_network(model, sizes):
    """Return a "transformer" or "rnnsearch" with the weights of seed 0.

    The end token is outside of the vocabulary, so that every contestant decodes all steps.
    """
    keras.utils.set_random_seed(0)
    vocabulary, units, dropout = sizes["vocabulary"], sizes["units"], sizes.get("dropout", 0.0)
    if model == "transformer":
        shape = (sizes[name] for name in ("blocks", "heads", "units", "hidden"))
        return Transformer(vocabulary, START, vocabulary, *shape, dropout)
    sizes = vocabulary, vocabulary, START, vocabulary, units, units
    return EncoderDecoder(*sizes, dropout=dropout)


def make_decoding(task, model):
    """Return the program that translates a batch of sources: ids in, ids of the best sentence."""
    network = make_network(model, task.sizes)
    steps, width = task.sizes["length"], task.sizes["beam"]

    def translate(source):
        source = ops.cast(source, "int32")
        if width == 1:
            return network.greedy(source, steps).tokens
        return network.beam_search(source, steps, beam_width=width).tokens[:, 0]

    function, weights = task.engine.make_layer_function(network.model, translate)
    return Program(function, weights, task.make_inputs())


def make_training(task, model):
    """Return the program of one step of training: forward, loss, backward, Adam's update."""
    network = make_network(model, task.sizes)
    network.model.compile(
        keras.optimizers.Adam(LEARNING_RATE),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=task.mode == "xla",
    )
    source, target = (x.astype("int32") for x in task.data.inputs)
    inputs = [source, np.pad(target[:, :-1], [(0, 0), (1, 0)], constant_values=START)]

    def train(weights):
        loss = network.model.train_on_batch(inputs, target)
        return task.engine.to_tensor(np.asarray(loss), "float32")

    if keras.backend.backend() == "torch":
        import torch

        train = torch.enable_grad()(train)  # the forward pass of a benchmark disables it
    return Program(train, [], [], compiles_itself=True)
