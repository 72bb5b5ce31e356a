"""Blockwise attention with a bias matches the formula, for biases of every broadcast shape."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention.kernels import tuning
from keras_attention.kernels.dot.attention import dot_attention
from keras_attention.kernels.dropout import keep_mask
from keras_attention.mask.structured_mask import StructuredMask
from keras_attention.normalize import softmax
from tests.finite_differences import central_differences
from tests.gradients import gradients
from tests.kernels.dot.dot_formulas import (
    BATCH,
    CASES,
    GROUPS,
    HEADS,
    KEY,
    KEYS,
    QUERIES,
    QUERY,
    VALUE,
    attention,
    visible_pairs,
)

pytestmark = pytest.mark.skipif(
    keras.backend.backend() == "torch", reason="PyTorch computes a bias by the plain steps"
)
ON_TENSORFLOW = keras.backend.backend() == "tensorflow"
# TensorFlow uses several blocks from this many weights per head on, and otherwise a single one.
MIN_WEIGHTS = {"blocks": 1, "single_block": 10**6} if ON_TENSORFLOW else {"blocks": 1}
FULL_SHAPE = BATCH, HEADS, QUERIES, KEYS
SHAPES = {
    "full": FULL_SHAPE,
    "heads": (HEADS, QUERIES, KEYS),
    "sequences": (BATCH, 1, QUERIES, KEYS),
    "pairs": (QUERIES, KEYS),
    "keys": (1, HEADS, 1, KEYS),
    "keys_of_sequences": (BATCH, 1, 1, KEYS),
    "queries": (HEADS, QUERIES, 1),
    "one": (1,),
}
SEEDS = np.random.default_rng(1).integers(0, 2**31 - 1, (BATCH, HEADS, QUERIES)).astype("int32")
UPSTREAM = np.random.default_rng(2).normal(size=(*QUERY.shape[:3], VALUE.shape[3]))
SOME_CASES = ["causal_and_padding", "window_and_pairs"]
VARIANTS = [(name, "full") for name in CASES]
VARIANTS += [(SOME_CASES[i % 2], shape) for i, shape in enumerate(SHAPES)]
every_variant = pytest.mark.parametrize(("name", "shape"), VARIANTS)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """Use blocks of three queries: seven queries make three blocks, the last one padded."""
    monkeypatch.setattr(tuning, "DOT_MAX_ROWS_PER_BLOCK", 3)
    monkeypatch.setattr(tuning, "DOT_MIN_WEIGHTS_PER_HEAD", 1)


@pytest.fixture(params=MIN_WEIGHTS.values(), ids=MIN_WEIGHTS.keys())
def both_kinds_of_blocks(request, monkeypatch):
    monkeypatch.setattr(tuning, "DOT_MIN_WEIGHTS_PER_HEAD", request.param)


def sample(shape):
    return np.random.default_rng(3).normal(size=shape).astype("float32")


def attend(query, key, value, bias, case, implementation="blockwise", **options):
    visible = StructuredMask(ops.shape(query)[2], ops.shape(key)[2], **case)
    return dot_attention(query, key, value, visible, bias=bias, **options)


def evaluate(case, arrays, **options):
    """Return the context and the gradients of query, key, value and bias."""

    def loss(*arrays):
        return ops.sum(ops.multiply(attend(*arrays, case, **options), UPSTREAM.astype("float32")))

    context = attend(*map(ops.convert_to_tensor, arrays), case, **options)
    return [ops.convert_to_numpy(context), *gradients(loss, arrays)]


def assert_same(actual, expected, tolerance=1e-5):
    for result, correct in zip(actual, expected, strict=True):
        np.testing.assert_allclose(result, correct, rtol=tolerance, atol=tolerance)


@every_variant
def test_context_equals_the_loops(name, shape, both_kinds_of_blocks):
    case, bias = CASES[name], sample(SHAPES[shape])
    actual = attend(*map(ops.convert_to_tensor, (QUERY, KEY, VALUE, bias)), case)
    expected = attention(QUERY, KEY, VALUE, visible_pairs(QUERIES, KEYS, **case), bias=bias)
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("name", "shape"), [("pairs", "keys"), ("causal_window", "queries")])
def test_gradient_equals_finite_differences_of_the_loops(name, shape):
    case, arrays = CASES[name], [x.astype("float64") for x in (QUERY, KEY, VALUE)]

    def loss(bias):
        actual = attend(*map(ops.convert_to_tensor, arrays), bias, case)
        return ops.sum(ops.multiply(actual, UPSTREAM))

    def formula(bias):
        visible = visible_pairs(QUERIES, KEYS, **case)
        return np.sum(attention(*arrays, visible, bias=bias) * UPSTREAM)

    bias = sample(SHAPES[shape]).astype("float64")
    assert_same(gradients(loss, [bias]), central_differences(formula, [bias]), 1e-6)


@every_variant
def test_gradients_equal_the_plain_steps(name, shape, both_kinds_of_blocks):
    arrays = QUERY, KEY, VALUE, sample(SHAPES[shape])
    mask = visible_pairs(QUERIES, KEYS, **CASES[name])[:, None]
    keep = keep_mask(SEEDS, np.arange(KEYS, dtype="int32"), 0.3)

    def loss(query, key, value, bias):
        key, value = (ops.repeat(x, HEADS // GROUPS, axis=1) for x in (key, value))
        weights = softmax(ops.matmul(query, ops.swapaxes(key, 2, 3)) + bias, mask)
        context = ops.matmul(ops.where(keep, weights, 0.0) / 0.7, value)
        return ops.sum(ops.multiply(context, UPSTREAM.astype("float32")))

    actual = evaluate(CASES[name], arrays, seeds=SEEDS, rate=0.3)
    assert_same(actual[1:], gradients(loss, arrays))


@pytest.mark.parametrize("name", CASES)
def test_masked_bias_may_be_nan(name):
    case = CASES[name]
    visible = np.broadcast_to(visible_pairs(QUERIES, KEYS, **case)[:, None], FULL_SHAPE)
    bias = sample(FULL_SHAPE)
    expected = evaluate(case, (QUERY, KEY, VALUE, bias))
    bias_with_nan = np.where(visible, bias, np.float32(np.nan))
    assert_same(evaluate(case, (QUERY, KEY, VALUE, bias_with_nan)), expected, tolerance=0)
    np.testing.assert_array_equal(expected[-1][~visible], 0)


@pytest.mark.parametrize("size", [3e38, np.inf])
def test_large_bias_gives_finite_gradients(size, both_kinds_of_blocks):
    bias = np.where(sample(FULL_SHAPE) > 0, np.float32(size), -np.float32(size))
    bias[:, :, 2] = -size  # Equally low scores give equal weights.
    arrays = [np.sign(x) * np.float32(1e12) for x in (QUERY, KEY)]
    actual = evaluate(CASES["causal_and_padding"], (*arrays, VALUE, bias))
    assert all(np.isfinite(x).all() for x in actual)


@pytest.mark.parametrize(
    ("name", "shape", "compiled"),
    [("causal_and_padding", "keys", False), ("window_and_pairs", "heads", True)],
    ids=["graph", "xla"],
)
@pytest.mark.parametrize("min_weights", [1, 10**6], ids=["large", "small"])
@pytest.mark.skipif(not ON_TENSORFLOW, reason="needs TensorFlow graphs")
def test_graphs_of_unknown_sizes_match_eager_results(
    name, shape, compiled, min_weights, monkeypatch
):
    import tensorflow as tf

    case, arrays = CASES[name], (QUERY, KEY, VALUE, sample(SHAPES[shape]))
    options = {"seeds": SEEDS, "rate": 0.3}
    expected = evaluate(case, arrays, **options)
    monkeypatch.setattr(tuning, "DOT_MIN_WEIGHTS_PER_HEAD", min_weights)

    def run(*arrays):
        with tf.GradientTape() as tape:
            tape.watch(arrays)
            context = attend(*arrays, case, "auto", **options)
        return context, *tape.gradient(context, arrays, tf.constant(UPSTREAM, "float32"))

    shapes = [(None, x.shape[1], None, x.shape[3]) for x in arrays[:3]]
    signature = [tf.TensorSpec(s) for s in (*shapes, [None] * len(SHAPES[shape]))]
    run = tf.function(run, input_signature=signature, jit_compile=compiled)
    assert_same([x.numpy() for x in run(*map(tf.constant, arrays))], expected)
