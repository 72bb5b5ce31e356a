"""Blockwise dot attention gives equal results eagerly, in graphs, under XLA and in exports."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_attention
from keras_attention.kernels import tuning
from keras_attention.kernels.dot.attention import dot_attention
from keras_attention.mask.structured_mask import StructuredMask
from tests.kernels.dot.dot_formulas import CASES, KEY, QUERY, VALUE

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="needs TensorFlow graphs"
)
SEEDS = np.random.default_rng(1).integers(0, 2**31 - 1, (2, 4, 7)).astype("int32")
SOME_CASES = ["causal_and_padding", "window_and_pairs"]


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """Use blocks of three queries: seven queries make three blocks, the last one padded."""
    monkeypatch.setattr(tuning, "DOT_MAX_ROWS_PER_BLOCK", 3)
    monkeypatch.setattr(tuning, "DOT_MIN_WEIGHTS_PER_HEAD", 1)


def create_step(case, seeds=SEEDS):
    """Return a function that computes the context and the gradients of query, key and value."""
    import tensorflow as tf

    def run(query, key, value, upstream):
        visible = StructuredMask(ops.shape(query)[2], ops.shape(key)[2], **case)
        with tf.GradientTape() as tape:
            tape.watch([query, key, value])
            context = dot_attention(query, key, value, visible, seeds, 0.3)
        return context, *tape.gradient(context, [query, key, value], upstream)

    return run


def create_inputs():
    import tensorflow as tf

    upstream = np.random.default_rng(2).normal(size=(2, 4, 7, 5)).astype("float32")
    return [tf.constant(x) for x in (QUERY, KEY, VALUE, upstream)]


def assert_same(actual, expected):
    for result, correct in zip(actual, expected, strict=True):
        np.testing.assert_allclose(result, correct, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", SOME_CASES)
@pytest.mark.parametrize("compiled", [False, True], ids=["graph", "xla"])
def test_graph_equals_eager(name, compiled):
    import tensorflow as tf

    run = create_step(CASES[name])
    assert_same(tf.function(run, jit_compile=compiled)(*create_inputs()), run(*create_inputs()))


@pytest.mark.parametrize("name", SOME_CASES)
@pytest.mark.parametrize("compiled", [False, True], ids=["graph", "xla"])
@pytest.mark.parametrize("min_weights", [1, 10**6], ids=["large", "small"])
def test_unknown_sizes_choose_blocks_in_the_graph(name, compiled, min_weights, monkeypatch):
    import tensorflow as tf

    expected = create_step(CASES[name])(*create_inputs())
    monkeypatch.setattr(tuning, "DOT_MIN_WEIGHTS_PER_HEAD", min_weights)
    shapes = [tf.TensorSpec((None, x.shape[1], None, x.shape[3])) for x in create_inputs()]
    run = create_step(CASES[name])
    run = tf.function(run, input_signature=shapes, jit_compile=compiled)
    assert_same(run(*create_inputs()), expected)


@pytest.mark.parametrize("compiled", [False, True], ids=["graph", "xla"])
def test_gradient_in_a_while_loop_matches_the_unrolled_loop(compiled):
    import tensorflow as tf

    query, key, value, _ = create_inputs()
    visible = StructuredMask(7, 11, causal=True)

    @tf.function(jit_compile=compiled)
    def loop(query):
        def step(i, query):
            context = dot_attention(query, key, value, visible)
            return i + 1, query + context[..., :3]

        with tf.GradientTape() as tape:
            tape.watch(query)
            state = ops.while_loop(lambda i, _: i < 2, step, (0, query), maximum_iterations=2)[1]
        return state, tape.gradient(state, query)

    def unroll(query):
        with tf.GradientTape() as tape:
            tape.watch(query)
            state = query
            for _ in range(2):
                context = dot_attention(state, key, value, visible)
                state = state + context[..., :3]
        return state, tape.gradient(state, query)

    assert_same(loop(query), unroll(query))


def test_export_runs_without_xla(tmp_path):
    layer = keras_attention.MultiHeadSelfAttention(2, 4, window=2, implementation="blockwise")
    inputs = keras.Input((None, 8), name="x")
    model = keras.Model(inputs, {"y": layer(inputs, use_causal_mask=True)})
    x = np.random.default_rng(0).normal(size=(2, 7, 8)).astype("float32")
    path = keras_attention.export.saved_model(model, tmp_path / "layer", example={"x": x})
    assert b"_XlaMustCompile" not in (path / "saved_model.pb").read_bytes()
    longer = np.random.default_rng(1).normal(size=(3, 11, 8)).astype("float32")
    actual = keras_attention.export.run_in_c_loader(path, "serving_default", {"x": longer})
    np.testing.assert_allclose(actual["y"], layer(longer, use_causal_mask=True), atol=1e-5)
