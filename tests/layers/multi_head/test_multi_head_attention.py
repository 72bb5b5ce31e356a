import keras
import numpy as np
import pytest
from keras import ops

import keras_attention
from keras_attention import MultiHeadAttention
from keras_attention.kernels.dropout import keep_mask
from tests.finite_differences import GRAD_DTYPE, assert_gradients_match, only_with_float64
from tests.layers.multi_head.multi_head_formulas import (
    KEY,
    MASK,
    QUERY,
    VALUE,
    build_seeded,
    compute_expected,
    numpy,
)

MODES = {
    "plain": {"num_heads": 3, "key_dim": 2},
    "value_dim": {"num_heads": 2, "key_dim": 3, "value_dim": 7},
    "no_bias": {"num_heads": 3, "key_dim": 2, "use_bias": False},
    "grouped": {"num_heads": 6, "key_dim": 2, "value_dim": 3, "num_key_value_heads": 2},
    "multi_query": {"num_heads": 5, "key_dim": 3, "num_key_value_heads": 1},
    "as_wide_as_the_query": {"num_heads": 5},
}
every_mode = pytest.mark.parametrize("mode", MODES)


def build(mode, dtype="float32"):
    inputs = [x.astype(dtype) for x in (QUERY, VALUE, KEY)]
    return build_seeded(MultiHeadAttention(**MODES[mode], dtype=dtype), inputs)


@every_mode
def test_output_equals_the_formula_of_the_paper(mode):
    layer = build(mode)
    results = layer([QUERY, VALUE, KEY], attention_mask=MASK, return_attention_scores=True)
    for result, correct in zip(
        results, compute_expected(layer, QUERY, VALUE, KEY, MASK), strict=True
    ):
        np.testing.assert_allclose(numpy(result), correct, rtol=1e-5, atol=1e-5)


@only_with_float64
def test_output_equals_the_formula_of_the_paper_to_ten_digits_in_float64():
    layer = build("grouped", "float64")
    inputs = [x.astype("float64") for x in (QUERY, VALUE, KEY)]
    results = layer(inputs, attention_mask=MASK, return_attention_scores=True)
    for result, correct in zip(results, compute_expected(layer, *inputs, MASK), strict=True):
        np.testing.assert_allclose(numpy(result), correct, rtol=1e-10, atol=1e-10)


def test_gradients_equal_finite_differences_with_a_fully_masked_query():
    arrays = QUERY[:1], VALUE[:1, :3, :2], KEY[:1, :3]
    layer = MultiHeadAttention(4, 1, value_dim=2, num_key_value_heads=2, dtype=GRAD_DTYPE)
    layer = build_seeded(layer, [x.astype(GRAD_DTYPE) for x in arrays])
    mask = MASK[:1, :, :3]
    factors = np.random.default_rng(2).normal(size=(1, 3, 5)).astype(GRAD_DTYPE)

    def loss(query, value, key):
        return ops.sum(ops.multiply(layer([query, value, key], attention_mask=mask), factors))

    def compute_loss(query, value, key, *weights):
        weights = list(zip(weights[0::2], weights[1::2], strict=True))
        return np.sum(compute_expected(layer, query, value, key, mask, weights)[0] * factors)

    grad_query, *_ = assert_gradients_match(loss, compute_loss, arrays, layer.weights)
    np.testing.assert_array_equal(grad_query[0, 1], 0)


def test_fully_masked_query_returns_zero_without_the_output_bias():
    layer = build("plain")
    output = numpy(layer([QUERY, VALUE, KEY], attention_mask=MASK))
    np.testing.assert_array_equal(output[0, 1], 0)
    assert (output[MASK.any(-1)] != 0).all()


def test_one_head_with_identity_projections_is_scaled_dot_attention():
    layer = MultiHeadAttention(num_heads=1, use_bias=False)
    layer([QUERY, QUERY])
    layer.set_weights([np.eye(5)] * 4)
    plain = keras_attention.Attention("scaled_dot")([QUERY, QUERY])
    np.testing.assert_allclose(numpy(layer([QUERY, QUERY])), numpy(plain), atol=1e-6)


@every_mode
def test_single_query_matches_a_query_of_a_sequence(mode):
    layer = build(mode)
    output, weights = layer([QUERY, VALUE, KEY], return_attention_scores=True)
    single_output, single_weights = layer([QUERY[:, 1], VALUE, KEY], return_attention_scores=True)
    np.testing.assert_allclose(numpy(single_output), numpy(output)[:, 1], atol=1e-6)
    np.testing.assert_allclose(numpy(single_weights), numpy(weights)[:, :, 1], atol=1e-6)


def test_grouped_heads_equal_plain_heads_with_copied_keys_and_values():
    grouped = build("grouped")
    plain = MultiHeadAttention(6, 2, value_dim=3)
    plain([QUERY, VALUE, KEY])

    def copy_groups(weight, width):
        groups = numpy(weight).reshape((*weight.shape[:-1], 2, width))
        return np.repeat(groups, 3, axis=-2).reshape((*weight.shape[:-1], 6 * width))

    query, key, value, output = (grouped.weights[i : i + 2] for i in (0, 2, 4, 6))
    key, value = [copy_groups(w, 2) for w in key], [copy_groups(w, 3) for w in value]
    plain.set_weights([*map(numpy, query), *key, *value, *map(numpy, output)])
    results = [layer([QUERY, VALUE, KEY]) for layer in (grouped, plain)]
    np.testing.assert_allclose(*map(numpy, results), atol=1e-5)


def test_every_head_and_query_has_its_own_dropout():
    value = np.ones((1, 1000, 2), "float32")
    layer = build_seeded(MultiHeadAttention(3, 2, dropout=0.5, seed=5), [QUERY[:1], value])
    prepared = layer.prepare(ops.convert_to_tensor(value))
    noise = layer.perturbation.sample(QUERY[:1], prepared)
    seeds = layer.perturbation.row_seeds(noise)  # (batch, heads, queries)
    keep = numpy(keep_mask(seeds, ops.arange(1000, dtype="int32"), 0.5))
    assert keep.shape == (1, 3, 3, 1000)
    rows = keep.reshape(9, 1000).astype("float64")
    assert np.abs(rows.mean(axis=1) - 0.5).max() < 0.1
    assert np.abs(np.corrcoef(rows) - np.eye(9)).max() < 0.2
    outputs = [numpy(layer([QUERY[:1], value], training=t)) for t in (True, False)]
    assert np.abs(outputs[0] - outputs[1]).max() > 0.01


def test_weights_are_in_the_documented_order():
    names = [(w.name, tuple(w.shape)) for w in build("grouped").weights]
    assert names == [
        ("query_kernel", (5, 12)),
        ("query_bias", (12,)),
        ("key_kernel", (2, 4)),
        ("key_bias", (4,)),
        ("value_kernel", (11, 6)),
        ("value_bias", (6,)),
        ("output_kernel", (18, 5)),
        ("output_bias", (5,)),
    ]


def test_width_that_the_heads_do_not_divide_is_refused():
    with pytest.raises(ValueError, match="Expected a `key_dim`.* Received: num_heads=3, query .2,"):
        MultiHeadAttention(3)([QUERY, VALUE])


def test_layer_works_in_a_sequential_model():
    model = keras.Sequential([keras.Input((None, 5)), MultiHeadAttention(2, 3)])
    assert model.output_shape == (None, None, 5)
