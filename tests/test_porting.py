"""The code in docs/porting.md runs and reproduces the results of the libraries it names."""

import re
from pathlib import Path

import numpy as np
import pytest
from keras import ops

import keras_attention
from keras_attention import MultiHeadSelfAttention

PAGE = (Path(__file__).parents[1] / "docs" / "porting.md").read_text(encoding="utf-8")
BATCH, KEYS = 2, 5
rng = np.random.default_rng(0)


def sample(*shape):
    return rng.normal(size=shape).astype("float32")


@pytest.fixture(scope="module")
def page():
    names = {}
    for block in re.findall(r"```python\n(.*?)```", PAGE, re.S):
        exec(block, names)
    return names


def rotate_half(x, base):
    """Rotary positions of Llama, GPT-NeoX, keras-hub and local-attention: x (..., T, D)."""
    steps, width = x.shape[-2:]
    rates = base ** (-np.arange(0, width, 2) / width)
    angles = np.concatenate([np.outer(np.arange(steps), rates)] * 2, axis=-1)
    first, second = np.split(x, 2, axis=-1)
    return x * np.cos(angles) + np.concatenate([-second, first], axis=-1) * np.sin(angles)


@pytest.mark.parametrize("groups", [4, 2])
def test_permuted_rotary_weights_match_rotate_half(page, groups):
    heads, width, x = 4, 6, sample(BATCH, KEYS, 8)
    layer = MultiHeadSelfAttention(
        heads, width, num_key_value_heads=groups, rotary_base=100.0, use_bias=True
    )
    layer(x)
    wq, bq, wk, bk, wv, bv, wo, bo = (sample(*w.shape) for w in layer.weights)
    interleave = page["interleave_halves"]
    query, key = [interleave(w, heads) for w in (wq, bq)], [interleave(w, groups) for w in (wk, bk)]
    layer.set_weights([*query, *key, wv, bv, wo, bo])

    def split(y, count):
        y = y.reshape(BATCH, KEYS, count, width).swapaxes(1, 2)
        return np.repeat(y, heads // count, axis=1)

    q, k, v = split(x @ wq + bq, heads), split(x @ wk + bk, groups), split(x @ wv + bv, groups)
    q, k = rotate_half(q, 100.0), rotate_half(k, 100.0)
    weights = np.exp(q @ k.swapaxes(-1, -2) / np.sqrt(width))
    weights /= weights.sum(-1, keepdims=True)
    context = (weights @ v).swapaxes(1, 2).reshape(BATCH, KEYS, heads * width)
    np.testing.assert_allclose(
        ops.convert_to_numpy(layer(x)), context @ wo + bo, rtol=1e-4, atol=1e-4
    )


def test_permutation_is_the_documented_one(page):
    columns = np.arange(12.0)
    order = [0, 3, 1, 4, 2, 5]
    expected = [*order, *(6 + i for i in order)]
    assert page["interleave_halves"](columns, 2).tolist() == expected


def test_page_names_all_functions_of_migrate_except_those_for_addons():
    names = {name for name in keras_attention.migrate.__all__ if "_from_" in name or "_to_" in name}
    assert not {name for name in names if "addons" not in name and name not in PAGE}
