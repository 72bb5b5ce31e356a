"""A program of symbolic lengths that PyTorch exports."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_attention

if keras.backend.backend() != "torch":
    pytest.skip("only PyTorch exports such programs", allow_module_level=True)

import torch


@pytest.mark.parametrize("limits", [(2, 500), (512, 5000)], ids=["short", "long"])
def test_program_of_symbolic_lengths_can_be_exported(limits):
    layer = keras_attention.MultiHeadSelfAttention(2, 4)
    shortest, longest = limits
    x = np.random.default_rng(0).normal(size=(2, shortest + 20, 8)).astype("float32")
    layer(x)
    length = torch.export.Dim("length", min=shortest, max=longest)
    module = torch.nn.Module()
    module.forward = lambda x: layer(x)
    program = torch.export.export(
        module, (torch.from_numpy(x),), dynamic_shapes={"x": {1: length}}, strict=False
    ).module()
    result = program(torch.from_numpy(x[:, :-7]))
    np.testing.assert_allclose(
        result.detach().numpy(), ops.convert_to_numpy(layer(x[:, :-7])), atol=1e-5
    )
