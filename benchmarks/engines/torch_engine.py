"""PyTorch: eager, as most of its users run it."""

import keras
import torch

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def tensor(array, dtype):
    return torch.tensor(array, dtype=getattr(torch, dtype), device=DEVICE)


def weight(array, dtype):
    return tensor(array, dtype).requires_grad_()


def of_layer(layer, call):
    """A function of weights and inputs, and the weights."""
    weights = [variable.value for variable in layer.trainable_variables]
    return lambda weights, *inputs: call(*inputs), weights


def compiled(function, mode):
    """`function` as it is."""
    return function


def forward(program, mode):
    """A call without arguments that runs the program."""

    def run():
        with torch.no_grad():
            return program.function(program.weights, *program.inputs)

    return run


def training(program, mode):
    """A call without arguments: forward, loss and the gradients of weights and inputs."""
    inputs = [x.requires_grad_() for x in program.inputs]
    sources = [*keras.tree.flatten(program.weights), *inputs]

    def run():
        loss = program.function(program.weights, *inputs).float().square().sum()
        return loss, torch.autograd.grad(loss, sources, allow_unused=True)

    return run


def wait(result):
    """Returns when the result is there."""
    if DEVICE == "cuda":
        torch.cuda.synchronize()


def to_numpy(result):
    return result.detach().float().cpu().numpy()


def float32_precision(allow_tf32):
    torch.set_float32_matmul_precision("high" if allow_tf32 else "highest")
    torch.backends.cudnn.allow_tf32 = allow_tf32


def device():
    """The name of the accelerator, or None."""
    return torch.cuda.get_device_name() if DEVICE == "cuda" else None


def peak_bytes():
    """The accelerator's high-water mark, or None on a CPU."""
    return torch.cuda.max_memory_allocated() if DEVICE == "cuda" else None
