"""Programs of the models in PyTorch, with the weights of the Keras models."""

import numpy as np
import torch
from keras import ops
from torch import nn

from benchmarks.task import Program
from benchmarks.translation import networks
from benchmarks.translation.torch_decoding import decode_greedily, search_beams
from benchmarks.translation.torch_rnnsearch import RNNsearch
from benchmarks.translation.torch_transformer import Transformer


def make_model(model, sizes):
    """Return the model in PyTorch with the weights of `networks.make_network`."""
    dropout = sizes.get("dropout", 0.0)
    if model == "transformer":
        shape = (sizes[name] for name in ("blocks", "heads", "units", "hidden"))
        copy = Transformer(sizes["vocabulary"], *shape, dropout)
    else:
        copy = RNNsearch(sizes["vocabulary"], sizes["units"], dropout)
    network = networks.make_network(model, sizes)
    copy_weights(copy, list_weights(model, network))
    return copy


def list_weights(model, network):
    """Return the weights of a Keras network as arrays, in the order of the PyTorch modules."""
    layers = [network.model]
    if model == "rnnsearch":
        decoder = network.decoder
        layers = [network.embed_source, network.encoder, network.initial_state]
        layers += [network.embed_target, decoder.cell, decoder.attention]
        layers += [network.readout, network.logits]
    return [ops.convert_to_numpy(weight) for layer in layers for weight in layer.trainable_weights]


@torch.no_grad()
def copy_weights(module, arrays):
    """Copy Keras's weights into a PyTorch module whose sub-modules have the same order."""
    arrays = iter(arrays)
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            kernel = torch.from_numpy(next(arrays).copy())
            layer.weight.copy_(kernel.reshape(layer.in_features, -1).T)
        if isinstance(layer, nn.Embedding | nn.LayerNorm):
            layer.weight.copy_(torch.from_numpy(next(arrays).copy()))
        if isinstance(layer, nn.Linear | nn.LayerNorm) and layer.bias is not None:
            layer.bias.copy_(torch.from_numpy(next(arrays).copy()))
        if isinstance(layer, nn.GRU | nn.GRUCell):
            for parameters in split_gru(layer):
                copy_gru(parameters, arrays)
    remaining = len(list(arrays))
    if remaining:
        raise ValueError(f"Expected a module for every weight. Received: {remaining} more weights")


def split_gru(layer):
    """Return lists of the input and recurrent kernels and biases, a list per direction."""
    parameters = list(layer.parameters())
    return [parameters[first : first + 4] for first in range(0, len(parameters), 4)]


def copy_gru(parameters, arrays):
    """Copy kernel, recurrent kernel and bias. Keras's gates are z, r, n; PyTorch's r, z, n."""
    kernel, recurrent_kernel, (bias, recurrent_bias) = (next(arrays) for _ in range(3))
    for parameter, array in zip(
        parameters, (kernel.T, recurrent_kernel.T, bias, recurrent_bias), strict=True
    ):
        update, reset, candidate = np.split(array, 3)
        parameter.copy_(torch.from_numpy(np.concatenate([reset, update, candidate])))


def make_decoding(task, model, compile_step=False):
    """Return the program that translates a batch of sources."""
    copy = make_model(model, task.sizes).eval()
    if compile_step:
        copy.step = torch.compile(copy.step, dynamic=True)
    source = torch.from_numpy(task.data.inputs[0].astype("int64"))
    steps, width = task.sizes["length"], task.sizes["beam"]

    def translate():
        if width == 1:
            return decode_greedily(copy, source, steps, networks.START)
        return search_beams(copy, source, steps, networks.START, width)

    return _make_program(task, translate)


def make_training(task, model):
    """Return the program of one step of training, in eager mode."""
    copy = make_model(model, task.sizes).train()
    optimizer = torch.optim.Adam(copy.parameters(), networks.LEARNING_RATE, eps=1e-7)
    source, target = (torch.from_numpy(x.astype("int64")) for x in task.data.inputs)
    shifted = nn.functional.pad(target[:, :-1], (1, 0), value=networks.START)

    @torch.enable_grad()  # the forward pass of a benchmark disables it
    def train():
        optimizer.zero_grad()
        logits = copy(source, shifted)
        loss = nn.functional.cross_entropy(logits.flatten(0, 1), target.flatten())
        loss.backward()
        optimizer.step()
        return loss.detach()

    return _make_program(task, train)


def _make_program(task, call):
    """Return the program of a call without arguments that returns a PyTorch tensor."""
    return Program(
        lambda weights: task.engine.to_tensor(call().numpy(), "float32"),
        [],
        [],
        compiles_itself=True,
    )
