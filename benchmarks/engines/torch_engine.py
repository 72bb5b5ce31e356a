"""Engine of PyTorch: eager execution, its usual mode."""

import keras
import torch

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def to_tensor(array, dtype):
    return torch.tensor(array, dtype=getattr(torch, dtype), device=DEVICE)


def to_weight(array, dtype):
    return to_tensor(array, dtype).requires_grad_()


def make_layer_function(layer, call):
    """Return `call` as a function (weights, *inputs), and the layer's weights.

    The function ignores its weights and uses the layer's variables.
    """
    weights = [variable.value for variable in layer.trainable_variables]
    return lambda weights, *inputs: call(*inputs), weights


def compile_function(function, mode):
    """Return the function unchanged."""
    return function


def make_forward(program, mode):
    """Return a function without arguments that runs the program."""

    def run():
        with torch.no_grad():
            return program.function(program.weights, *program.inputs)

    return run


def make_training(program, mode):
    """Return a function without arguments: forward, loss, gradients of weights and inputs."""
    inputs = [x.requires_grad_() for x in program.inputs]
    sources = [*keras.tree.flatten(program.weights), *inputs]

    def run():
        loss = program.function(program.weights, *inputs).float().square().sum()
        return loss, torch.autograd.grad(loss, sources, allow_unused=True)

    return run


def wait(result):
    """Block until the result is available."""
    if DEVICE == "cuda":
        torch.cuda.synchronize()


def to_numpy(result):
    return result.detach().float().cpu().numpy()


def set_float32_precision(allow_tf32):
    torch.set_float32_matmul_precision("high" if allow_tf32 else "highest")
    torch.backends.cudnn.allow_tf32 = allow_tf32


def get_device_name():
    """Return the name of the accelerator, or None."""
    return torch.cuda.get_device_name() if DEVICE == "cuda" else None


def get_peak_bytes():
    """Return the peak memory of the accelerator, or None on a CPU."""
    return torch.cuda.max_memory_allocated() if DEVICE == "cuda" else None
