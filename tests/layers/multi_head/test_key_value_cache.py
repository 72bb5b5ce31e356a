"""Self-attention with a key-value cache.

A sequence that is processed in parts gives the outputs of one call on its unmasked tokens.
"""

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention import KeyValueCache, MultiHeadSelfAttention
from keras_attention.testing.backends import compile_function as compiled
from tests.layers.multi_head.multi_head_formulas import MASK, X, build_seeded, numpy

MODES = {
    "plain": {},
    "window": {"window": 2},
    "rotary": {"rotary_base": 30.0},
    "grouped": {"num_key_value_heads": 2, "value_dim": 3},
    "all": {"window": 3, "rotary_base": 30.0, "num_key_value_heads": 1, "use_bias": False},
}
every_mode = pytest.mark.parametrize("mode", MODES)
TOKEN_MASK = np.array([[1, 1, 0, 1, 1, 0, 1], [0, 0, 1, 1, 1, 1, 1]], bool)
PARTS = [(0, 1), (1, 4), (4, 6), (6, 7)]


def build(mode, **options):
    return build_seeded(MultiHeadSelfAttention(4, 6, **MODES[mode], **options), X)


def run_parts(layer, x, mask=None, max_length=11):
    """Return outputs and the last cache."""
    cache, outputs = layer.get_initial_cache(len(x), max_length), []
    for first, end in PARTS:
        part_mask = None if mask is None else mask[:, first:end]
        output, cache = layer(x[:, first:end], mask=part_mask, cache=cache)
        outputs.append(numpy(output))
    return np.concatenate(outputs, 1), cache


def run_each_row(layer, x, mask):
    """Return the outputs of one causal call per row on its unmasked tokens; others are zero."""
    expected = np.zeros_like(x)
    for row, row_mask in enumerate(mask):
        outputs = layer(x[row : row + 1, row_mask], use_causal_mask=True)
        expected[row, row_mask] = numpy(outputs)[0]
    return expected


@every_mode
@pytest.mark.parametrize("mask", [None, TOKEN_MASK], ids=["no_mask", "mask"])
def test_parts_match_one_call_per_row(mode, mask):
    layer = build(mode)
    poisoned = X if mask is None else np.where(mask[..., None], X, np.float32(np.nan))
    results, cache = run_parts(layer, poisoned, mask)
    mask = np.ones((2, 7), bool) if mask is None else mask
    np.testing.assert_allclose(results, run_each_row(layer, X, mask), atol=1e-5)
    np.testing.assert_array_equal(numpy(cache.position), mask.sum(1))
    np.testing.assert_array_equal(numpy(cache.mask), np.arange(11) < mask.sum(1)[:, None])


@every_mode
@pytest.mark.parametrize(
    "first_row_mask", [[1, 1, 1, 0, 0], [0, 0, 1, 1, 1]], ids=["right", "left"]
)
def test_row_with_a_shorter_prompt_does_not_depend_on_its_neighbor(mode, first_row_mask):
    layer, mask = build(mode), np.array([first_row_mask, [1] * 5], bool)
    prompt, new, length = X[:, :5], X[:, 5:], mask.sum(1)
    options = {"return_attention_scores": True}
    results = layer(prompt, mask=mask, cache=layer.get_initial_cache(2, 11))
    output, weights, cache = layer(new, cache=results[-1], **options)
    for row in range(2):
        x = np.concatenate([prompt[row, mask[row]], new[row]])[None]
        expected, expected_weights = layer(x, use_causal_mask=True, **options)
        np.testing.assert_allclose(numpy(output)[row], numpy(expected)[0, -2:], atol=1e-5)
        columns = length[row] + 2
        rows = numpy(expected_weights)[0, :, -2:]
        np.testing.assert_allclose(numpy(weights)[row, ..., :columns], rows, atol=1e-6)
        np.testing.assert_array_equal(numpy(weights)[row, ..., columns:], 0)
    np.testing.assert_array_equal(numpy(cache.position), length + 2)


def test_masked_tokens_occupy_no_slots():
    layer = build("window")
    mask = np.array([[0, 1, 0, 1, 0, 0, 1], [0, 0, 0, 0, 0, 0, 0]], bool)
    output, cache = layer(X[:, :4], mask=mask[:, :4], cache=layer.get_initial_cache(2, 4))
    rest, cache = layer(X[:, 4:], mask=mask[:, 4:], cache=cache)
    results = np.concatenate([numpy(output), numpy(rest)], axis=1)
    np.testing.assert_allclose(results, run_each_row(layer, X, mask), atol=1e-5)
    np.testing.assert_array_equal(numpy(cache.position), [3, 0])
    assert not numpy(cache.keys)[1].any()


@pytest.mark.parametrize(("dtype", "last_place"), [("mixed_float16", 2**-10), ("bfloat16", 2**-7)])
def test_parts_match_one_call_in_half_precision_up_to_one_ulp(dtype, last_place):
    layer = build("all", dtype=dtype)
    results, _ = run_parts(layer, X)
    expected = numpy(ops.cast(layer(X, use_causal_mask=True), "float32"))
    np.testing.assert_allclose(results.astype("float32"), expected, rtol=last_place, atol=1e-5)


@every_mode
def test_weights_of_a_part_match_those_of_one_call(mode):
    layer = build(mode)
    _, expected = layer(X, use_causal_mask=True, return_attention_scores=True)
    _, cache = layer(X[:, :4], cache=layer.get_initial_cache(2, 11))
    output, weights, next_cache = layer(X[:, 4:], cache=cache, return_attention_scores=True)
    np.testing.assert_allclose(numpy(weights)[..., :7], numpy(expected)[:, :, 4:], atol=1e-6)
    np.testing.assert_array_equal(numpy(weights)[..., 7:], 0)
    repeated, _ = layer(X[:, 4:], cache=cache)
    np.testing.assert_array_equal(numpy(repeated), numpy(output))
    assert isinstance(next_cache, KeyValueCache)


def test_attention_mask_has_a_column_for_each_slot():
    layer, mask = build("plain"), MASK[:, 2:, :]
    expected = numpy(layer(X, attention_mask=np.pad(mask, [(0, 0), (6, 0), (0, 0)])))
    _, cache = layer(X[:, :6], cache=layer.get_initial_cache(2, 11))
    slot_mask = np.pad(mask, [(0, 0), (0, 0), (0, 4)])
    output, _ = layer(X[:, 6:], cache=cache, attention_mask=slot_mask)
    np.testing.assert_allclose(numpy(output), expected[:, 6:], atol=1e-5)
    with pytest.raises(ValueError, match="`attention_mask` broadcastable to shape .2, 1, 11"):
        layer(X[:, 6:], cache=cache, attention_mask=mask)


@every_mode
def test_cache_works_in_a_compiled_loop(mode):
    layer = build(mode)

    def run(x):
        batch = ops.shape(x)[0]

        def step(index, cache, outputs):
            token = ops.slice(x, (0, index, 0), (batch, 1, 5))
            output, cache = layer(token, cache=KeyValueCache(*cache))
            return index + 1, cache, ops.slice_update(outputs, (0, index, 0), output)

        start = (ops.convert_to_tensor(0), layer.get_initial_cache(batch, 7), ops.zeros_like(x))
        return ops.while_loop(lambda i, *_: i < 7, step, start, maximum_iterations=7)[2]

    expected = numpy(layer(X, use_causal_mask=True))
    x = ops.convert_to_tensor(X)
    for results in (run(x), compiled(run)(x)):
        np.testing.assert_allclose(numpy(results), expected, atol=1e-5)


def test_rows_of_a_cache_may_have_different_lengths():
    layer = build("all")
    _, cache = layer(X[:, :3], cache=layer.get_initial_cache(2, 11))
    cache = cache._replace(
        position=ops.convert_to_tensor([3, 1])
    )  # drops the last two tokens of row 1
    output, cache = layer(X[:, 3:5], cache=cache)
    rows = X[:1, :5], np.concatenate([X[1:, :1], X[1:, 3:5]], 1)
    for row, x in enumerate(rows):
        expected = numpy(layer(x, use_causal_mask=True))[0, -2:]
        np.testing.assert_allclose(numpy(output)[row], expected, atol=1e-5)
    np.testing.assert_array_equal(numpy(cache.position), [5, 3])


def test_tokens_beyond_max_length_are_not_cached_and_return_zero():
    layer = build("rotary")
    expected = numpy(layer(X, use_causal_mask=True))
    _, cache = layer(X[:, :4], cache=layer.get_initial_cache(2, 5))
    output, cache = layer(X[:, 4:], cache=cache)
    np.testing.assert_allclose(numpy(output)[:, :1], expected[:, 4:5], atol=1e-5)
    np.testing.assert_array_equal(numpy(output)[:, 1:], 0)
    assert numpy(cache.mask).all()


def test_more_tokens_than_slots_or_an_unknown_max_length_are_refused():
    layer = build("plain")
    with pytest.raises(ValueError, match="Expected at most max_length=3 .* Received: 7 tokens"):
        layer(X, cache=layer.get_initial_cache(2, 3))
    with pytest.raises(ValueError, match="one tensor if `cache` is passed. Received: 2 inputs"):
        layer([X, X], cache=layer.get_initial_cache(2, 7))
    symbolic = keras.tree.map_structure(
        lambda x: keras.KerasTensor(x.shape, x.dtype), layer.get_initial_cache(2, 7)
    )
    with pytest.raises(ValueError, match="one tensor if `cache` is passed. Received: 2 inputs"):
        layer([keras.KerasTensor(X.shape)] * 2, cache=symbolic)
    with pytest.raises(ValueError, match="Received: max_length=0"):
        layer.get_initial_cache(2, 0)
    with pytest.raises(ValueError, match="Expected a layer that is built"):
        MultiHeadSelfAttention(2, 3).get_initial_cache(2, 7)


def test_functional_model_of_one_step_can_be_saved(tmp_path):
    layer = build("all")
    token = keras.Input((1, 5))
    parts = [(x.shape[1:], x.dtype) for x in layer.get_initial_cache(1, 11)]
    cache = [keras.Input(s, dtype=keras.backend.standardize_dtype(d)) for s, d in parts]
    output, next_cache = layer(token, cache=KeyValueCache(*cache))
    model = keras.Model([token, *cache], [output, *next_cache])
    model.save(tmp_path / "step.keras")
    reloaded = keras.saving.load_model(tmp_path / "step.keras")
    state, outputs = layer.get_initial_cache(2, 11), []
    for i in range(7):
        output, *state = reloaded([ops.convert_to_tensor(X[:, i : i + 1]), *state])
        outputs.append(numpy(output))
    expected = numpy(layer(X, use_causal_mask=True))
    np.testing.assert_allclose(np.concatenate(outputs, 1), expected, atol=1e-5)
