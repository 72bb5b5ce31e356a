"""Multi-head attention compared with PyTorch."""

import numpy as np
import pytest

from keras_attention import MultiHeadAttention, MultiHeadSelfAttention
from tests.layers.multi_head.multi_head_formulas import (
    KEY,
    MASK,
    QUERY,
    VALUE,
    X,
    build_seeded,
    numpy,
)

torch = pytest.importorskip("torch")


def tensor(x):
    return torch.tensor(numpy(x))


def test_output_equals_pytorch_multi_head_attention():
    layer = build_seeded(MultiHeadAttention(num_heads=5), [QUERY, VALUE, KEY])
    theirs = torch.nn.MultiheadAttention(5, 5, kdim=2, vdim=11, batch_first=True)
    kernels, biases = layer.weights[0::2], layer.weights[1::2]
    names = ["q_proj_weight", "k_proj_weight", "v_proj_weight", "out_proj.weight"]
    state = {name: tensor(kernel).T for name, kernel in zip(names, kernels, strict=True)}
    state["in_proj_bias"] = torch.cat([tensor(b) for b in biases[:3]])
    state["out_proj.bias"] = tensor(biases[3])
    theirs.load_state_dict(state)
    mask = MASK | ~MASK.any(-1, keepdims=True)  # PyTorch gives NaN for a fully masked query
    is_masked = torch.tensor(np.repeat(~mask, 5, axis=0))
    inputs = [torch.tensor(x) for x in (QUERY, KEY, VALUE)]
    with torch.no_grad():
        expected = theirs(*inputs, attn_mask=is_masked, average_attn_weights=False)
    results = layer([QUERY, VALUE, KEY], attention_mask=mask, return_attention_scores=True)
    for result, correct in zip(results, expected, strict=True):
        np.testing.assert_allclose(numpy(result), correct.numpy(), atol=1e-5)


@pytest.mark.parametrize("groups", [2, 6])
def test_attention_between_the_projections_equals_pytorch(groups):
    layer = MultiHeadSelfAttention(6, 4, num_key_value_heads=groups, use_bias=False)
    layer = build_seeded(layer, X)
    query, key, value, output = (tensor(w) for w in layer.weights)
    heads = [
        (torch.tensor(X) @ kernel).reshape(2, 7, n, 4).transpose(1, 2)
        for kernel, n in ((query, 6), (key, groups), (value, groups))
    ]
    context = torch.nn.functional.scaled_dot_product_attention(
        *heads, is_causal=True, enable_gqa=groups != 6
    )
    expected = context.transpose(1, 2).reshape(2, 7, 24) @ output
    results = numpy(layer(X, use_causal_mask=True))
    np.testing.assert_allclose(results, expected.numpy(), atol=1e-5)
