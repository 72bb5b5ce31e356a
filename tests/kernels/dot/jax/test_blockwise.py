"""Blockwise dot attention on JAX: array sizes, windows, GPU paths, export and devices."""

import math

import keras
import numpy as np
import pytest
from keras import ops

if keras.backend.backend() != "jax":
    pytest.skip("this kernel is JAX's", allow_module_level=True)

import jax

import keras_attention
from keras_attention.kernels.dot import attention as dot_attention_module
from keras_attention.kernels.dot.jax import blockwise as blockwise_jax
from keras_attention.mask.structured_mask import StructuredMask
from tests.kernels.dot.dot_formulas import (
    CASES,
    KEY,
    KEYS,
    QUERIES,
    QUERY,
    VALUE,
    attention,
    visible_pairs,
)

LONG = 4096
CALLS = {
    "all": {},
    "causal": {"use_causal_mask": True},
    "padding": {"mask": np.arange(LONG)[None] < LONG - 9},
    "bias": {"attention_bias": np.zeros((2, 1, LONG), "float32")},
}
IMPLEMENTATIONS = "plain", "blockwise"
SCORES_PER_BLOCK = LONG * 512  # of one head


def max_elements(function, *arguments):
    """Return the number of elements of the largest array in a program and its loops."""

    def list_sizes(jaxpr):
        for equation in jaxpr.eqns:
            yield from (math.prod(x.aval.shape) for x in equation.outvars)
            for inner in jax.tree.leaves(list(equation.params.values()), is_leaf=is_program):
                if is_program(inner):
                    yield from list_sizes(getattr(inner, "jaxpr", inner))

    def is_program(x):
        return hasattr(x, "eqns") or hasattr(x, "jaxpr")

    return max(list_sizes(jax.make_jaxpr(function)(*arguments).jaxpr))


def differentiate(layer, **call):
    """Return a function that computes the gradient with respect to the input."""

    def loss(x):
        with keras.StatelessScope():
            return ops.sum(layer(x, training=True, **call))

    return jax.grad(loss)


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_no_array_holds_all_weights(call, dropout):
    def max_elements_of(implementation):
        layer = keras_attention.MultiHeadSelfAttention(
            2, 4, dropout=dropout, seed=1, implementation=implementation
        )
        layer.build((None, None, 8))
        return max_elements(differentiate(layer, **call), np.zeros((1, LONG, 8), "float32"))

    assert max_elements_of("auto") <= SCORES_PER_BLOCK
    assert max_elements_of("plain") == 2 * LONG**2


@pytest.mark.parametrize("length", [2048, 8192])
def test_window_computes_its_band_only(length):
    layer = keras_attention.MultiHeadSelfAttention(2, 4, window=64)
    layer.build((None, None, 8))
    x = np.zeros((1, length, 8), "float32")
    assert max_elements(differentiate(layer), x) <= max(128 * (128 + 2 * 64), 8 * (length + 128))


def test_causal_mask_of_many_blocks_is_not_materialized():
    layer = keras_attention.MultiHeadSelfAttention(2, 4)
    layer.build((None, None, 8))
    x = np.zeros((1, 2 * LONG, 8), "float32")
    assert max_elements(differentiate(layer, use_causal_mask=True), x) <= 2 * SCORES_PER_BLOCK


@pytest.mark.parametrize("name", ["padding", "pairs_shared_by_sequences", "causal_window"])
def test_all_heads_at_once_on_a_gpu_match_heads_one_by_one(name, monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    visible = StructuredMask(QUERIES, KEYS, **CASES[name])
    has_visible_key = visible_pairs(QUERIES, KEYS, **CASES[name]).any(axis=-1)[:, None, :, None]
    # No other test uses 2 rows; JAX would reuse a program that it compiled for a CPU.
    rows = {"rows": 2}

    def attend(*arrays):
        return np.where(
            has_visible_key, blockwise_jax.blockwise_attention(*arrays, visible, **rows), 0
        )

    def gradients():
        def loss(*arrays):
            actual = blockwise_jax.blockwise_attention(*arrays, visible, **rows)
            return ops.sum(ops.where(has_visible_key, actual, 0) ** 2)

        return jax.grad(loss, argnums=(0, 1, 2))(QUERY, KEY, VALUE)

    expected = attention(QUERY, KEY, VALUE, visible_pairs(QUERIES, KEYS, **CASES[name]))
    np.testing.assert_allclose(attend(QUERY, KEY, VALUE), expected, rtol=1e-5, atol=1e-5)
    all_heads_at_once = gradients()
    monkeypatch.undo()
    rows["rows"] = 4
    for actual, one_by_one in zip(all_heads_at_once, gradients(), strict=True):
        np.testing.assert_allclose(actual, one_by_one, rtol=1e-4, atol=1e-5)


def test_second_derivative_matches_plain():
    layers = [
        keras_attention.MultiHeadSelfAttention(2, 3, implementation=i) for i in IMPLEMENTATIONS
    ]
    for layer in layers:
        layer.build((None, None, 6))
    layers[1].set_weights(layers[0].get_weights())
    x = np.random.default_rng(0).normal(size=(2, 7, 6)).astype("float32")

    def differentiate_twice(layer):
        first = jax.grad(lambda x: ops.sum(layer(x) ** 2))
        return jax.grad(lambda x: ops.sum(first(x) ** 2))(x)

    plain, blockwise = map(differentiate_twice, layers)
    assert np.abs(plain).max() > 0.1
    np.testing.assert_allclose(blockwise, plain, rtol=1e-4, atol=1e-5)
    jax.jvp(layers[0], (x,), (x,))
    with pytest.raises(TypeError, match="forward-mode"):
        jax.jvp(layers[1], (x,), (x,))


@pytest.mark.parametrize("name", CASES)
def test_half_precision_on_a_gpu_uses_fused_attention(name, monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    monkeypatch.setattr(blockwise_jax, "blockwise_attention", None)
    case, value = CASES[name], VALUE[..., : QUERY.shape[-1]]  # as wide as the keys
    actual = dot_attention_module.dot_attention(
        *(ops.cast(x, "bfloat16") for x in (QUERY, KEY, value)),
        StructuredMask(QUERIES, KEYS, **case),
    )
    actual = ops.cast(actual, "float32")
    expected = attention(QUERY, KEY, value, visible_pairs(QUERIES, KEYS, **case))
    np.testing.assert_allclose(actual, expected, rtol=0.05, atol=0.05)
    is_masked = ~visible_pairs(QUERIES, KEYS, **case).any(axis=-1)
    np.testing.assert_array_equal(np.swapaxes(actual, 1, 2)[is_masked], 0)


def test_heads_that_share_keys_have_fewer_rows_per_block():
    layer = keras_attention.MultiHeadSelfAttention(16, 2, num_key_value_heads=1)
    layer.build((None, None, 8))
    assert max_elements(differentiate(layer), np.zeros((1, 2048, 8), "float32")) <= SCORES_PER_BLOCK


@pytest.mark.parametrize("shape", ["b, 1024, 6", "2, t, 6"])
def test_program_of_symbolic_sizes_can_be_exported(shape):
    layer = keras_attention.MultiHeadSelfAttention(2, 3)
    layer.build((None, None, 6))
    shape = jax.export.symbolic_shape(shape, constraints=["t >= 1024"] if "t" in shape else ())
    x = np.random.default_rng(0).normal(size=(2, 1024, 6)).astype("float32")
    argument = jax.ShapeDtypeStruct(shape, "float32")
    exported = jax.export.export(jax.jit(lambda x: layer(x)))(argument)
    np.testing.assert_allclose(exported.call(x), layer(x), rtol=1e-5, atol=1e-6)


def test_several_devices_divide_the_batch(monkeypatch):
    monkeypatch.setattr(jax, "device_count", lambda: 2)
    layer = keras_attention.MultiHeadSelfAttention(2, 4, implementation="blockwise")
    layer.build((None, None, 8))
    program = str(jax.make_jaxpr(lambda x: layer(x))(np.zeros((6, 30, 8), "float32")))
    assert "length=6" not in program  # A loop over sequences could not be divided among devices.
