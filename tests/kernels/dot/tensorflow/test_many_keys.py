"""Very many keys: blocks have fewer queries, so memory stays bounded, and results are equal."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_attention
from keras_attention.kernels import tuning
from keras_attention.kernels.dot.attention import dot_attention
from keras_attention.kernels.dot.block_layout import layout, rows_per_block
from keras_attention.mask.structured_mask import StructuredMask
from tests.gradients import gradients
from tests.kernels.dot.dot_formulas import CASES, HEADS, KEY, KEYS, QUERIES, QUERY, VALUE

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="these blocks are TensorFlow's"
)
SEEDS = np.random.default_rng(1).integers(0, 2**31 - 1, (2, HEADS, QUERIES)).astype("int32")
UPSTREAM = np.random.default_rng(2).normal(size=(*QUERY.shape[:3], VALUE.shape[3]))
UPSTREAM = UPSTREAM.astype("float32")


def limit_scores(monkeypatch, scores):
    """Limit the scores per block: with 12 of them, eleven keys leave a single query per block."""
    monkeypatch.setattr(tuning, "DOT_MAX_ROWS_PER_BLOCK", 7)
    monkeypatch.setattr(tuning, "DOT_MIN_ROWS_PER_BLOCK", 1)
    monkeypatch.setattr(tuning, "DOT_MIN_WEIGHTS_PER_HEAD", 1)
    monkeypatch.setattr(tuning, "DOT_MAX_SCORES_PER_BLOCK", scores)


def evaluate(case, seeds, compiled=None, signature=None, arrays=(QUERY, KEY, VALUE, UPSTREAM)):
    """Return the context and the gradients of query, key and value."""
    import tensorflow as tf

    def run(query, key, value, upstream):
        visible = StructuredMask(ops.shape(query)[2], ops.shape(key)[2], **case)
        with tf.GradientTape() as tape:
            tape.watch([query, key, value])
            context = dot_attention(query, key, value, visible, seeds, 0.3)
        return context, *tape.gradient(context, [query, key, value], upstream)

    if compiled is not None:
        run = tf.function(run, jit_compile=compiled, input_signature=signature)
    return [x.numpy() for x in run(*map(tf.constant, arrays))]


def assert_same(actual, expected, tolerance=1e-5):
    for result, correct in zip(actual, expected, strict=True):
        np.testing.assert_allclose(result, correct, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
@pytest.mark.parametrize("seeds", [None, SEEDS], ids=["no_dropout", "dropout"])
def test_fewer_queries_per_block_give_the_same_results(case, seeds, monkeypatch):
    limit_scores(monkeypatch, 2**21)
    expected = evaluate(case, seeds)
    limit_scores(monkeypatch, 12)
    assert rows_per_block(StructuredMask(QUERIES, KEYS, **case)) < 3
    assert_same(evaluate(case, seeds), expected)


@pytest.mark.parametrize("name", ["causal_and_padding", "window_and_pairs"])
@pytest.mark.parametrize("compiled", [False, True], ids=["graph", "xla"])
@pytest.mark.parametrize(
    ("scores", "is_known"),
    [(12, True), (12, False), (2**21, False)],
    ids=["known", "unknown", "unknown_few_keys"],
)
def test_graphs_match_eager_results(name, compiled, scores, is_known, monkeypatch):
    import tensorflow as tf

    limit_scores(monkeypatch, 2**21)
    expected = evaluate(CASES[name], SEEDS)
    limit_scores(monkeypatch, scores)
    arrays = QUERY, KEY, VALUE, UPSTREAM
    shapes = [tf.TensorSpec((None, x.shape[1], None, x.shape[3])) for x in arrays]
    actual = evaluate(CASES[name], SEEDS, compiled, None if is_known else shapes)
    assert_same(actual, expected)


def test_large_scores_stay_finite(monkeypatch):
    arrays = [np.sign(x) * np.float32(1e12) for x in (QUERY, KEY)]
    limit_scores(monkeypatch, 2**21)
    expected = evaluate(CASES["causal_and_padding"], None, arrays=(*arrays, VALUE, UPSTREAM))
    limit_scores(monkeypatch, 12)
    actual = evaluate(CASES["causal_and_padding"], None, arrays=(*arrays, VALUE, UPSTREAM))
    assert_same(actual[:1], expected[:1])
    assert all(np.isfinite(x).all() for x in actual)


def test_nan_in_masked_positions_changes_nothing(monkeypatch):
    limit_scores(monkeypatch, 12)
    layer = keras_attention.MultiHeadSelfAttention(
        4, 2, num_key_value_heads=2, implementation="blockwise"
    )
    x = np.random.default_rng(3).normal(size=(2, 11, 6)).astype("float32")
    mask = np.arange(11) < np.array([[11], [5]])
    layer.build(x.shape)
    poisoned = np.where(mask[..., None], x, np.float32(np.nan))

    def differentiate(x):
        return gradients(
            lambda x: ops.sum(layer(x, mask=mask) ** 2), [x], layer.trainable_variables
        )

    assert_same(differentiate(poisoned), differentiate(x), tolerance=0)


@pytest.mark.parametrize("keys", [2**14, 2**16, 2**18, 10**6 + 1])
@pytest.mark.parametrize("case", [{}, {"causal": True}, {"window": 64}, {"window": 2**17}])
def test_scores_per_block_are_bounded(keys, case):
    visible = StructuredMask(keys, keys, **case)
    plan = layout(visible, rows_per_block(visible))
    max_scores = max(tuning.DOT_MAX_SCORES_PER_BLOCK, tuning.DOT_MIN_ROWS_PER_BLOCK * keys)
    assert all(plan.rows * segment.columns <= max_scores for segment in plan.segments)
    if case == {"window": 64}:
        assert plan.rows == 128  # Many keys do not shrink the blocks of a narrow band.


@pytest.mark.parametrize("keys", [2**10, 2**16])
def test_scores_per_block_are_bounded_at_unknown_lengths(keys):
    import tensorflow as tf

    visible = StructuredMask(tf.constant(keys), tf.constant(keys))
    expected = rows_per_block(StructuredMask(keys, keys))
    assert int(rows_per_block(visible)) == expected
