"""More keys than a block may have are read piece by piece, to the same end."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_attention
from keras_attention.kernels.dot.attention import dot_attention
from keras_attention.kernels.dot.block_layout import layout
from keras_attention.mask.structured_mask import StructuredMask
from tests.gradients import gradients
from tests.kernels.dot.dot_formulas import CASES, HEADS, KEY, KEYS, QUERIES, QUERY, VALUE

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="elsewhere attention is the backend's"
)
SEEDS = np.random.default_rng(1).integers(0, 2**31 - 1, (2, HEADS, QUERIES)).astype("int32")
UPSTREAM = np.random.default_rng(2).normal(size=(*QUERY.shape[:3], VALUE.shape[3]))
UPSTREAM = UPSTREAM.astype("float32")
WAYS = {"eager": None, "graph": False, "xla": True}
every_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
every_way = pytest.mark.parametrize("compiled", WAYS.values(), ids=WAYS.keys())


def cut(monkeypatch, scores):
    """Blocks of three queries with so many scores: with 12, eleven keys make three pieces."""
    monkeypatch.setattr("keras_attention.kernels.dot.block_layout._rows", lambda visible: 3)
    monkeypatch.setattr("keras_attention.kernels.dot.block_layout.SCORES", scores)


def everything(case, seeds, compiled=None, signature=None, arrays=(QUERY, KEY, VALUE, UPSTREAM)):
    """The context and the gradients of query, key and value."""
    import tensorflow as tf

    def run(query, key, value, upstream):
        visible = StructuredMask(ops.shape(query)[2], ops.shape(key)[2], **case)
        with tf.GradientTape() as tape:
            tape.watch([query, key, value])
            context = dot_attention(
                query, key, value, visible, seeds, 0.3, implementation="blockwise"
            )
        return context, *tape.gradient(context, [query, key, value], upstream)

    if compiled is not None:
        run = tf.function(run, jit_compile=compiled, input_signature=signature)
    return [x.numpy() for x in run(*map(tf.constant, arrays))]


def assert_same(found, wanted, tolerance=1e-5):
    for got, want in zip(found, wanted, strict=True):
        np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance)


@every_case
@pytest.mark.parametrize("seeds", [None, SEEDS], ids=["all", "dropped"])
def test_pieces_give_the_same(case, seeds, monkeypatch):
    cut(monkeypatch, 2**21)
    wanted = everything(case, seeds)
    cut(monkeypatch, 12)
    assert any(s.pieces > 1 for s in layout(StructuredMask(QUERIES, KEYS, **case)).segments)
    assert_same(everything(case, seeds), wanted)


@pytest.mark.parametrize("name", ["causal_and_padding", "window_and_any"])
@pytest.mark.parametrize("compiled", [False, True], ids=["graph", "xla"])
@pytest.mark.parametrize(
    ("scores", "is_known"),
    [(12, True), (12, False), (2**21, False)],
    ids=["known", "unknown", "unknown_few"],
)
def test_graphs_give_the_same(name, compiled, scores, is_known, monkeypatch):
    import tensorflow as tf

    cut(monkeypatch, 2**21)
    wanted = everything(CASES[name], SEEDS)
    cut(monkeypatch, scores)
    arrays = QUERY, KEY, VALUE, UPSTREAM
    shapes = [tf.TensorSpec((None, x.shape[1], None, x.shape[3])) for x in arrays]
    found = everything(CASES[name], SEEDS, compiled, None if is_known else shapes)
    assert_same(found, wanted)


def test_scores_may_be_large(monkeypatch):
    arrays = [np.sign(x) * np.float32(1e12) for x in (QUERY, KEY)]
    cut(monkeypatch, 2**21)
    wanted = everything(CASES["causal_and_padding"], None, arrays=(*arrays, VALUE, UPSTREAM))
    cut(monkeypatch, 12)
    found = everything(CASES["causal_and_padding"], None, arrays=(*arrays, VALUE, UPSTREAM))
    assert_same(found[:1], wanted[:1])
    assert all(np.isfinite(x).all() for x in found)


def test_nan_behind_masks_changes_nothing(monkeypatch):
    cut(monkeypatch, 12)
    layer = keras_attention.MultiHeadSelfAttention(
        4, 2, num_key_value_heads=2, implementation="blockwise"
    )
    x = np.random.default_rng(3).normal(size=(2, 11, 6)).astype("float32")
    mask = np.arange(11) < np.array([[11], [5]])  # the last piece is hidden in whole
    layer.build(x.shape)
    poisoned = np.where(mask[..., None], x, np.float32(np.nan))

    def found(x):
        return gradients(
            lambda x: ops.sum(layer(x, mask=mask) ** 2), [x], layer.trainable_variables
        )

    assert_same(found(poisoned), found(x), tolerance=0)


@pytest.mark.parametrize("keys", [2**14, 2**16, 2**18, 10**6 + 1])
@pytest.mark.parametrize("causal", [False, True])
def test_a_block_has_so_many_scores_at_most(keys, causal):
    from keras_attention.kernels.dot.block_layout import SCORES

    plan = layout(StructuredMask(keys, keys, causal=causal))
    for segment in plan.segments:
        assert plan.rows * segment.width <= SCORES
        assert 0 <= segment.pieces * segment.width - segment.columns <= plan.over
