import functools

import keras
import numpy as np
import pytest
from keras import ops

import keras_attention
from keras_attention.kernels.additive import attention as reading
from keras_attention.kernels.dropout import keep_mask
from keras_attention.mask.structured_mask import StructuredMask
from keras_attention.normalize import softmax
from keras_attention.read import weighted_sum
from tests import reference
from tests.gradients import gradients

QUERIES, KEYS, UNITS, WIDTH = 7, 5, 17, 3
SEEDS = np.random.default_rng(2).integers(0, 2**31 - 1, (2, QUERIES)).astype("int32")
RATE = 0.4


# Blocks of three queries, the last of one, and one for all; JAX compiles every call anew.
PAIRS = [2 * KEYS * 3, 2**19] if keras.backend.backend() != "jax" else [2 * KEYS * 3]


@pytest.fixture(params=PAIRS)
def pairs(request, monkeypatch):
    monkeypatch.setattr(reading, "PAIRS", request.param)
    monkeypatch.setattr(reading, "TERMS", 1)
    return request.param


def arrays(shape=(2,)):
    rng = np.random.default_rng(0)
    sizes = (*shape, QUERIES, UNITS), (*shape, KEYS, UNITS), (UNITS,), (*shape, KEYS, WIDTH)
    return [rng.normal(size=size).astype("float32") for size in sizes]


def masks(shape=(2,)):
    """None; of keys, all hidden in the first sequence; of pairs, with a query that sees nothing."""
    keys = np.ones((*shape, 1, KEYS), bool)
    keys[0] = keys[1, ..., 3:] = False
    of_pairs = np.random.default_rng(1).random((*shape, QUERIES, KEYS)) > 0.4
    of_pairs[..., 2, :] = False
    return [None, keys, of_pairs, of_pairs[:1]]


def plain(query, key, scale, value, visible=None, seeds=None):
    scores = ops.sum(ops.tanh(query[..., :, None, :] + key[..., None, :, :]) * scale, axis=-1)
    weights = softmax(scores, visible.dense() if isinstance(visible, StructuredMask) else visible)
    read = weights
    if seeds is not None:
        stays = keep_mask(seeds, np.arange(KEYS, dtype="int32"), RATE)
        read = ops.where(stays, weights / (1 - RATE), 0.0)
    return weighted_sum(read, value), weights


def assert_same(found, wanted):
    for got, want in zip(found, wanted, strict=True):
        got, want = (ops.convert_to_numpy(x) for x in (got, want))
        assert got.shape == want.shape
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=2e-6)


def check(given, visible, seeds=None):
    """Numbers and gradients are the plain steps', with and without the weights."""
    kernel = functools.partial(reading.additive_reading, rate=RATE)
    found = kernel(*given, visible, seeds, return_weights=True)
    assert_same(found, plain(*given, visible, seeds))
    alone, nothing = kernel(*given, visible, seeds)
    np.testing.assert_array_equal(*map(ops.convert_to_numpy, (alone, found[0])))
    assert nothing is None

    def of_context(read, **options):
        return lambda *x: ops.sum(ops.sin(read(*x, visible, seeds, **options)[0]))

    def of_both(read, **options):
        def loss(*x):
            context, weights = read(*x, visible, seeds, **options)
            return ops.sum(ops.sin(context)) + ops.sum(weights**3)

        return loss

    assert_same(gradients(of_context(kernel), given), gradients(of_context(plain), given))
    both = of_both(kernel, return_weights=True), of_both(plain)
    assert_same(*(gradients(loss, given) for loss in both))


@pytest.mark.parametrize("which", range(4))
def test_it_is_the_plain_steps(pairs, which):
    check(arrays(), masks()[which])


@pytest.mark.parametrize("which", range(4))
def test_what_is_dropped_follows_from_the_seeds(pairs, which):
    check(arrays(), masks()[which], SEEDS)


PARTS = {"query_mask": masks()[2].any(-1), "key_mask": masks()[1][:, 0], "pairs": masks()[2]}


@pytest.mark.parametrize("parts", [[], ["query_mask"], ["key_mask"], list(PARTS)], ids=str)
@pytest.mark.parametrize("near", [{"causal": True}, {"window": 2}], ids=str)
def test_a_block_joins_the_masks_that_are_its_own(pairs, parts, near):
    check(
        arrays(),
        StructuredMask(QUERIES, KEYS, **{name: PARTS[name] for name in parts}, **near),
        SEEDS,
    )


def test_it_takes_outer_dimensions(pairs):
    keys, of_pairs = masks((2, 2))[1:3]
    parts = {"query_mask": of_pairs.any(-1), "key_mask": keys[..., 0, :], "causal": True}
    for visible in (keys, of_pairs, of_pairs[:, :1], StructuredMask(QUERIES, KEYS, **parts)):
        check(arrays((2, 2)), visible, np.tile(SEEDS[:, None], (1, 2, 1)))


def test_it_is_the_papers_formula():
    query, key, scale, value = arrays()
    mask, eye = masks()[2], np.eye(UNITS)

    def formula(query, key, value, mask):
        scores = reference.additive(query, key, eye, eye, scale)
        return reference.attention(scores, value, mask)

    wanted = reference.each(formula, query, key, value, mask)
    given = query, key, scale, value, mask
    assert_same(reading.additive_reading(*given, return_weights=True), wanted)


@pytest.mark.parametrize("dtype", ["float32", "mixed_float16"])
def test_what_is_masked_cannot_matter_to_the_layer(pairs, dtype):
    rng = np.random.default_rng(3)
    query, value = rng.normal(size=(2, QUERIES, 4)), rng.normal(size=(2, KEYS, 4))
    query, value = query.astype("float32"), value.astype("float32")
    layer = keras_attention.AdditiveAttention(UNITS, implementation="blockwise", dtype=dtype)
    layer([query, value])
    seen = np.ones((2, KEYS), bool)
    seen[0, 2:] = seen[1] = False

    def everything(value, **options):
        def loss(query, value):
            return ops.sum(ops.cast(layer([query, value], mask=[None, seen]), "float32") ** 2)

        context = layer([query, value], mask=[None, seen])
        return [context, *gradients(loss, [query, value], layer.trainable_variables)]

    expected = everything(value)
    poisoned = everything(np.where(seen[..., None], value, np.float32(np.nan)))
    for got, want in zip(poisoned, expected, strict=True):
        np.testing.assert_array_equal(*(ops.convert_to_numpy(x) for x in (got, want)))
    np.testing.assert_array_equal(ops.convert_to_numpy(expected[0])[1], 0)
    np.testing.assert_array_equal(expected[2][1], 0)


def test_nothing_comes_back_from_a_query_that_sees_nothing(pairs):
    given, mask = arrays(), masks()[2]
    factors = np.ones((2, QUERIES, WIDTH), "float32")
    factors[:, 2] = np.nan

    def loss(*x):
        return ops.sum(ops.multiply(reading.additive_reading(*x, mask)[0], factors))

    found = gradients(loss, given)
    assert all(np.isfinite(x).all() for x in found)
    np.testing.assert_array_equal(found[0][:, 2], 0)


def test_dropout_drops_the_same(pairs):
    layers = [
        keras_attention.AdditiveAttention(UNITS, dropout=0.5, seed=1, implementation=name)
        for name in ("plain", "blockwise")
    ]
    query, _, _, value = arrays()
    found = []
    for layer in layers:
        layer([query, value])
        layer.set_weights([np.full(w.shape, 0.1 * i) for i, w in enumerate(layers[0].weights)][:3])
        found.append(layer([query, value], training=True, return_attention_scores=True))
    assert_same(*found)
    assert np.abs(ops.convert_to_numpy(found[0][0])).max() > 0
