import functools

import keras
import numpy as np
import pytest
from keras import ops

import keras_attention
from keras_attention.kernels import tuning
from keras_attention.kernels.additive.attention import additive_attention
from keras_attention.kernels.dropout import keep_mask
from keras_attention.mask.structured_mask import StructuredMask
from keras_attention.normalize import softmax
from keras_attention.read import weighted_sum
from tests import reference
from tests.gradients import gradients

QUERIES, KEYS, UNITS, WIDTH = 7, 5, 17, 3
SEEDS = np.random.default_rng(2).integers(0, 2**31 - 1, (2, QUERIES)).astype("int32")
RATE = 0.4


# Pairs for blocks of three queries, of which the last has one, and for a single block. JAX compiles
# every call again, so it tests only the first.
PAIRS_PER_BLOCK = [2 * KEYS * 3, 2**19] if keras.backend.backend() != "jax" else [2 * KEYS * 3]


@pytest.fixture(params=PAIRS_PER_BLOCK)
def block_size(request, monkeypatch):
    monkeypatch.setattr(tuning, "ADDITIVE_PAIRS_PER_BLOCK", request.param)
    monkeypatch.setattr(tuning, "ADDITIVE_TERMS_PER_ITERATION", 2)


def arrays(shape=(2,)):
    rng = np.random.default_rng(0)
    sizes = (*shape, QUERIES, UNITS), (*shape, KEYS, UNITS), (UNITS,), (*shape, KEYS, WIDTH)
    return [rng.normal(size=size).astype("float32") for size in sizes]


def make_masks(shape=(2,)):
    """Return None, a key mask, a mask of pairs, and a mask of pairs of batch 1.

    The key mask masks the whole first sequence; the masks of pairs mask one query fully.
    """
    keys = np.ones((*shape, 1, KEYS), bool)
    keys[0] = keys[1, ..., 3:] = False
    pairs = np.random.default_rng(1).random((*shape, QUERIES, KEYS)) > 0.4
    pairs[..., 2, :] = False
    return [None, keys, pairs, pairs[:1]]


def attend_plainly(query, key, scale, value, mask=None, seeds=None):
    scores = ops.sum(ops.tanh(query[..., :, None, :] + key[..., None, :, :]) * scale, axis=-1)
    weights = softmax(scores, mask.dense() if isinstance(mask, StructuredMask) else mask)
    dropped_weights = weights
    if seeds is not None:
        is_kept = keep_mask(seeds, np.arange(KEYS, dtype="int32"), RATE)
        dropped_weights = ops.where(is_kept, weights / (1 - RATE), 0.0)
    return weighted_sum(dropped_weights, value), weights


def assert_same(results, expected_results):
    for result, expected in zip(results, expected_results, strict=True):
        result, expected = (ops.convert_to_numpy(x) for x in (result, expected))
        assert result.shape == expected.shape
        np.testing.assert_allclose(result, expected, rtol=1e-5, atol=2e-6)


def assert_matches_plain_steps(inputs, mask, seeds=None):
    """Compare results and gradients with the plain steps, with and without the weights."""
    kernel = functools.partial(additive_attention, rate=RATE)
    results = kernel(*inputs, mask, seeds, return_weights=True)
    assert_same(results, attend_plainly(*inputs, mask, seeds))
    context, weights = kernel(*inputs, mask, seeds)
    np.testing.assert_array_equal(*map(ops.convert_to_numpy, (context, results[0])))
    assert weights is None

    def context_loss(attend, **options):
        return lambda *x: ops.sum(ops.sin(attend(*x, mask, seeds, **options)[0]))

    def context_and_weights_loss(attend, **options):
        def loss(*x):
            context, weights = attend(*x, mask, seeds, **options)
            return ops.sum(ops.sin(context)) + ops.sum(weights**3)

        return loss

    losses = context_loss(kernel), context_loss(attend_plainly)
    assert_same(*(gradients(loss, inputs) for loss in losses))
    losses = (
        context_and_weights_loss(kernel, return_weights=True),
        context_and_weights_loss(attend_plainly),
    )
    assert_same(*(gradients(loss, inputs) for loss in losses))


@pytest.mark.parametrize("mask_number", range(4))
def test_results_and_gradients_equal_the_plain_steps(block_size, mask_number):
    assert_matches_plain_steps(arrays(), make_masks()[mask_number])


@pytest.mark.parametrize("mask_number", range(4))
def test_seeds_determine_the_dropout(block_size, mask_number):
    assert_matches_plain_steps(arrays(), make_masks()[mask_number], SEEDS)


PARTS = {
    "query_mask": make_masks()[2].any(-1),
    "key_mask": make_masks()[1][:, 0],
    "pairs": make_masks()[2],
}


@pytest.mark.parametrize("parts", [[], ["query_mask"], ["key_mask"], list(PARTS)], ids=str)
@pytest.mark.parametrize("order", [{"causal": True}, {"window": 2}], ids=str)
def test_blocks_combine_the_parts_of_a_structured_mask(block_size, parts, order):
    assert_matches_plain_steps(
        arrays(),
        StructuredMask(QUERIES, KEYS, **{name: PARTS[name] for name in parts}, **order),
        SEEDS,
    )


def test_several_batch_axes_are_accepted(block_size):
    keys, pairs = make_masks((2, 2))[1:3]
    parts = {"query_mask": pairs.any(-1), "key_mask": keys[..., 0, :], "causal": True}
    for mask in (keys, pairs, pairs[:, :1], StructuredMask(QUERIES, KEYS, **parts)):
        assert_matches_plain_steps(arrays((2, 2)), mask, np.tile(SEEDS[:, None], (1, 2, 1)))


def test_results_equal_the_formula_of_the_paper():
    query, key, scale, value = arrays()
    mask, eye = make_masks()[2], np.eye(UNITS)

    def formula(query, key, value, mask):
        scores = reference.additive(query, key, eye, eye, scale)
        return reference.attention(scores, value, mask)

    expected = reference.for_each_sequence(formula, query, key, value, mask)
    inputs = query, key, scale, value, mask
    assert_same(additive_attention(*inputs, return_weights=True), expected)


@pytest.mark.parametrize("dtype", ["float32", "mixed_float16"])
def test_nan_at_masked_positions_changes_nothing_in_the_layer(block_size, dtype):
    rng = np.random.default_rng(3)
    query, value = rng.normal(size=(2, QUERIES, 4)), rng.normal(size=(2, KEYS, 4))
    query, value = query.astype("float32"), value.astype("float32")
    layer = keras_attention.AdditiveAttention(UNITS, implementation="blockwise", dtype=dtype)
    layer([query, value])
    key_mask = np.ones((2, KEYS), bool)
    key_mask[0, 2:] = key_mask[1] = False

    def run(value):
        def loss(query, value):
            context = layer([query, value], mask=[None, key_mask])
            return ops.sum(ops.cast(context, "float32") ** 2)

        context = layer([query, value], mask=[None, key_mask])
        return [context, *gradients(loss, [query, value], layer.trainable_variables)]

    expected = run(value)
    results = run(np.where(key_mask[..., None], value, np.float32(np.nan)))
    for pair in zip(results, expected, strict=True):
        np.testing.assert_array_equal(*map(ops.convert_to_numpy, pair))
    np.testing.assert_array_equal(ops.convert_to_numpy(expected[0])[1], 0)
    np.testing.assert_array_equal(expected[2][1], 0)


def test_fully_masked_query_has_zero_gradient_even_if_upstream_is_nan(block_size):
    inputs, mask = arrays(), make_masks()[2]
    factors = np.ones((2, QUERIES, WIDTH), "float32")
    factors[:, 2] = np.nan

    def loss(*x):
        return ops.sum(ops.multiply(additive_attention(*x, mask)[0], factors))

    results = gradients(loss, inputs)
    assert all(np.isfinite(x).all() for x in results)
    np.testing.assert_array_equal(results[0][:, 2], 0)


def test_dropout_is_the_same_in_every_implementation(block_size):
    layers = [
        keras_attention.AdditiveAttention(UNITS, dropout=0.5, seed=1, implementation=name)
        for name in ("plain", "blockwise")
    ]
    query, _, _, value = arrays()
    results = []
    for layer in layers:
        layer([query, value])
        layer.set_weights([np.full(w.shape, 0.1 * i) for i, w in enumerate(layers[0].weights)][:3])
        results.append(layer([query, value], training=True, return_attention_scores=True))
    assert_same(*results)
    assert np.abs(ops.convert_to_numpy(results[0][0])).max() > 0
