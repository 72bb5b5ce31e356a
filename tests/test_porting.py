"""The code in docs/porting.md runs and reproduces the results of the libraries it names."""

import re
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention import AttentionDecoder, LuongAttention, MultiHeadSelfAttention

PAGE = (Path(__file__).parents[1] / "docs" / "porting.md").read_text(encoding="utf-8")
BATCH, STEPS, KEYS, WIDTH, UNITS, SIZE = 2, 3, 5, 4, 5, 6
rng = np.random.default_rng(0)


def sample(*shape):
    return rng.normal(size=shape).astype("float32")


INPUTS, MEMORY = sample(BATCH, STEPS, 3), sample(BATCH, KEYS, WIDTH)
MASK = np.array([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]], bool)


@pytest.fixture(scope="module")
def page():
    names = {}
    for block in re.findall(r"```python\n(.*?)```", PAGE, re.S):
        exec(block, names)
    return names


def luong_scores(query, kernel, scale=1.0):
    return scale * np.einsum("bi,bji->bj", query, MEMORY @ kernel)


def bahdanau_scores(query, query_kernel, memory_kernel, v, g=None, b=0.0):
    v = v if g is None else g * v / np.linalg.norm(v)
    return np.tanh((query @ query_kernel)[:, None] + MEMORY @ memory_kernel + b) @ v


def attention_wrapper(cell, scores, kernel, cell_input_fn=np.concatenate):
    """Run the steps of Addons' `AttentionWrapper`; return (attentions, alignments)."""
    attention, states = np.zeros((BATCH, SIZE), "float32"), cell.get_initial_state(BATCH)
    results = []
    for step in range(STEPS):
        inputs = cell_input_fn([INPUTS[:, step], attention], axis=-1)
        output, states = cell(inputs, states)
        output = ops.convert_to_numpy(output)
        weights = np.exp(np.where(MASK, scores(output), -np.inf))
        weights /= weights.sum(-1, keepdims=True)
        context = np.einsum("bj,bjd->bd", weights, MEMORY)
        attention = np.concatenate([output, context], axis=-1) @ kernel
        results.append((attention, weights))
    return [np.stack(parts, axis=1) for parts in zip(*results, strict=True)]


MECHANISMS = {
    "luong": (luong_scores, (sample(WIDTH, WIDTH),)),
    "luong_scale": (luong_scores, (sample(WIDTH, WIDTH), 0.5)),
    "bahdanau": (bahdanau_scores, (sample(WIDTH, UNITS), sample(WIDTH, UNITS), sample(UNITS))),
    "bahdanau_normalize": (
        bahdanau_scores,
        (sample(WIDTH, UNITS), sample(WIDTH, UNITS), sample(UNITS), 0.7, sample(UNITS)),
    ),
}


@pytest.mark.parametrize("name", MECHANISMS)
def test_ported_decoder_matches_addons_attention_wrapper(page, name):
    scores, weights = MECHANISMS[name]
    is_luong = scores is luong_scores
    if is_luong:
        score = page["GeneralScore"](use_scale=len(weights) > 1)
    else:
        has_gain = len(weights) > 3
        score = page["AdditiveScore"](5, use_bias=has_gain, normalized=has_gain)
    attention = page["LinearAttention"](SIZE, score=score)
    decoder = AttentionDecoder(
        keras.layers.LSTMCell(WIDTH), attention, attend="after", input_feeding=True
    )
    decoder(INPUTS, MEMORY)
    kernel = sample(2 * WIDTH, SIZE)
    convert = page["luong_weights" if is_luong else "bahdanau_weights"]
    attention.set_weights([*convert(*weights), kernel])
    results = decoder(INPUTS, MEMORY, memory_mask=MASK, return_attention_scores=True)
    expected = attention_wrapper(decoder.cell, lambda query: scores(query, *weights), kernel)
    for result, correct in zip(results, expected, strict=True):
        np.testing.assert_allclose(ops.convert_to_numpy(result), correct, atol=1e-5)


def test_addons_kernel_needs_its_halves_swapped_in_luong_attention(page):
    query, kernel = sample(BATCH, WIDTH), sample(2 * WIDTH, SIZE)
    layer = LuongAttention("dot", units=SIZE)
    layer([query, MEMORY])
    layer.set_weights([np.concatenate([kernel[WIDTH:], kernel[:WIDTH]])])
    linear = page["LinearAttention"](SIZE, score="dot")
    linear([query, MEMORY])
    linear.set_weights([kernel])
    expected = np.tanh(ops.convert_to_numpy(linear([query, MEMORY])))
    np.testing.assert_allclose(ops.convert_to_numpy(layer([query, MEMORY])), expected, atol=1e-5)


@pytest.mark.parametrize("name", ["decoder", "projected"])
def test_decoder_from_the_page_can_be_saved_and_loaded(page, name, tmp_path):
    inputs = [keras.Input(x.shape[1:]) for x in (INPUTS, MEMORY)]
    decoder = type(page[name]).from_config(page[name].get_config())
    model = keras.Model(inputs, decoder(*inputs))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    results = [ops.convert_to_numpy(m([INPUTS, MEMORY])) for m in (model, loaded)]
    np.testing.assert_array_equal(*results)


def test_inputs_are_projected_before_the_cell(page):
    decoder = page["projected"]
    result = decoder(INPUTS, MEMORY, memory_mask=MASK)
    cell, (score_kernel, kernel) = decoder.cell, decoder.attention.get_weights()

    def cell_input_fn(parts, axis):
        return cell.projection(np.concatenate(parts, axis))

    expected, _ = attention_wrapper(
        cell.cell, lambda query: luong_scores(query, score_kernel.T), kernel, cell_input_fn
    )
    np.testing.assert_allclose(ops.convert_to_numpy(result), expected, atol=1e-5)


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
