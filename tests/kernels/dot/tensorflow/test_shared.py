"""Unknown lengths: long sequences go through one function of the graph, short ones do not."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_attention
from keras_attention.kernels import tuning
from keras_attention.kernels.dot.attention import dot_attention
from keras_attention.kernels.sizes import is_product_below
from keras_attention.mask.structured_mask import StructuredMask
from keras_attention.server_context import trace_for_server
from tests.kernels.dot.dot_formulas import CASES, HEADS, KEY, QUERIES, QUERY, VALUE

if keras.backend.backend() != "tensorflow":
    pytest.skip("only TensorFlow's graphs have unknown lengths", allow_module_level=True)

import tensorflow as tf

from keras_attention.kernels.dot.tensorflow.shared import call_dot_attention

SEEDS = np.random.default_rng(1).integers(0, 2**31 - 1, (2, HEADS, QUERIES)).astype("int32")


@pytest.fixture(autouse=True)
def two_rows_per_block(monkeypatch):
    """Every length is long, and has several blocks."""
    monkeypatch.setattr(tuning, "DOT_MIN_WEIGHTS_PER_HEAD", 1)
    monkeypatch.setattr(tuning, "DOT_MAX_ROWS_PER_BLOCK", 2)
    monkeypatch.setattr(tuning, "DOT_MIN_MASKED_ROWS_PER_BLOCK", 1)


def evaluate(attend, case, bias=None, signature=None):
    """Return the context and the gradients of query, key, value and bias."""

    def run(query, key, value):
        visible = StructuredMask(ops.shape(query)[2], ops.shape(key)[2], **case)
        sources = [query, key, value, *([] if bias is None else [bias])]
        with tf.GradientTape() as tape:
            tape.watch(sources)
            context = attend(query, key, value, visible, SEEDS, 0.3, bias)
            loss = tf.reduce_sum(context**2 * np.arange(1.0, 6.0, dtype="float32"))
        return context, *tape.gradient(loss, sources)

    run = run if signature is None else tf.function(run, input_signature=signature)
    return [x.numpy() for x in run(*map(tf.constant, (QUERY, KEY, VALUE)))]


def unknown_sizes(*arrays):
    return [tf.TensorSpec((None, x.shape[1], None, x.shape[3])) for x in arrays]


@pytest.mark.parametrize(
    "name", ["all", "queries", "pairs", "causal", "causal_and_padding", "window", "causal_window"]
)
@pytest.mark.parametrize("has_bias", [False, True], ids=["", "bias"])
def test_results_and_gradients_match_those_of_known_lengths(name, has_bias):
    if has_bias and name not in ("causal", "pairs"):
        pytest.skip("two masks are enough with a bias")
    bias = tf.constant(np.sin(np.arange(7 * 11.0, dtype="float32")).reshape(1, 1, 7, 11))
    arguments = CASES[name], bias if has_bias else None
    expected = evaluate(dot_attention, *arguments)
    actual = evaluate(call_dot_attention, *arguments, unknown_sizes(QUERY, KEY, VALUE))
    for result, correct in zip(actual, expected, strict=True):
        np.testing.assert_allclose(result, correct, rtol=1e-5, atol=1e-5)


def test_more_queries_than_keys():
    query, key = QUERY[:, :, :7], KEY[:, :, :4]
    visible = StructuredMask(7, 4, causal=True)
    expected = dot_attention(query, key, VALUE[:, :, :4], visible)

    @tf.function(input_signature=unknown_sizes(query, key, VALUE))
    def run(query, key, value):
        sizes = tf.shape(query)[2], tf.shape(key)[2]
        return call_dot_attention(query, key, value, StructuredMask(*sizes, causal=True))

    np.testing.assert_allclose(run(query, key, VALUE[:, :, :4]), expected, atol=1e-6)


def make_graph(count, implementation="auto"):
    """Return the graph of some layers of equal shapes on inputs of unknown sizes."""
    layers = [
        keras_attention.MultiHeadSelfAttention(2, 3, implementation=implementation)
        for _ in range(count)
    ]

    def run(x):
        for layer in layers:
            x = layer(x, use_causal_mask=True)
        return x

    spec = tf.TensorSpec((None, None, 6))
    return tf.function(run, autograph=False).get_concrete_function(spec).graph.as_graph_def()


def count_loops(graph):
    nodes = [node for function in graph.library.function for node in function.node_def]
    return sum(node.op in ("While", "StatelessWhile") for node in [*graph.node, *nodes])


def test_only_the_graph_for_a_server_is_not_inlined():
    def is_inlined(graph):
        return not any("_noinline" in function.attr for function in graph.library.function)

    assert is_inlined(make_graph(1))
    with trace_for_server():
        assert not is_inlined(make_graph(1))


def test_graph_of_several_layers_has_the_loops_of_one():
    assert count_loops(make_graph(1)) == count_loops(make_graph(3)) == 1
    assert count_loops(make_graph(1, "plain")) == 0


@pytest.mark.parametrize("limit", [2, 2**18], ids=["long", "short"])
def test_layer_of_unknown_length_matches_the_plain_steps(limit, monkeypatch):
    monkeypatch.setattr(tuning, "DOT_MIN_WEIGHTS_PER_HEAD", limit)
    layer = keras_attention.MultiHeadSelfAttention(2, 3, implementation="plain")
    x = np.random.default_rng(0).normal(size=(2, 7, 6)).astype("float32")
    mask = np.arange(7) < np.array([[7], [4]])
    x[1, 4:] = np.nan
    expected = layer(x, mask=mask, use_causal_mask=True)
    layer.implementation = "auto"

    signature = [tf.TensorSpec((None, None, 6)), tf.TensorSpec((None, None), tf.bool)]

    @tf.function(input_signature=signature)
    def run(x, mask):
        return layer(x, mask=mask, use_causal_mask=True)

    np.testing.assert_allclose(run(x, mask), expected, atol=1e-6)
    assert run(x[:0], mask[:0]).shape == (0, 7, 6)


def test_product_of_large_sizes_does_not_overflow():
    sizes = [tf.constant(65536), tf.constant(65536)]  # whose product is 0 in int32
    assert not is_product_below(2**18, *sizes) and not is_product_below(2**18, 65536, sizes[0])
    assert is_product_below(2**18, 511, tf.constant(512))
    assert not is_product_below(2**18, tf.constant(512), 512)
