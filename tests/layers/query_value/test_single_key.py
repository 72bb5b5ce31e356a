"""Attention over a single key: its weight is 1, with gradients that are zeros instead of None."""

import warnings

import keras
import numpy as np
import pytest

import keras_attention as ka

BACKEND = keras.backend.backend()
RNG = np.random.default_rng(0)
QUERY, MEMORY = (RNG.normal(size=(2, n, 4)).astype("float32") for n in (3, 1))
LAYERS = {
    "additive": lambda: ka.AdditiveAttention(),
    "dot": lambda: ka.Attention(score=ka.score.DotScore(use_scale=True)),
    "cosine": lambda: ka.Attention("cosine"),
    "sparsemax": lambda: ka.Attention("general", "sparsemax"),
    "luong": lambda: ka.LuongAttention("general", units=3),
    "local-m": lambda: ka.LocalAttention(1, "monotonic"),
    "local-p": lambda: ka.LocalAttention(1),
    "hard": lambda: ka.HardAttention(estimator="gumbel", seed=1),
    "heads": lambda: ka.MultiHeadAttention(2, 2),
    "heads, blockwise": lambda: ka.MultiHeadAttention(2, 2, implementation="blockwise"),
    "additive, blockwise": lambda: ka.AdditiveAttention(8, implementation="blockwise"),
}
every_layer = pytest.mark.parametrize("name", LAYERS)


def compute_gradients(layer, inputs, compile_it=False):
    """Return the backend's gradients, with None for missing ones."""
    loss = keras.ops.sum
    if BACKEND == "torch":
        inputs = [keras.ops.convert_to_tensor(x).requires_grad_() for x in inputs]
        loss(layer(inputs, training=True) ** 2).backward()
        return [x.grad for x in [*inputs, *(w.value for w in layer.trainable_weights)]]
    import tensorflow as tf

    inputs = [tf.constant(x) for x in inputs]

    @tf.function(jit_compile=compile_it)
    def run(*inputs):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            total = loss(layer(list(inputs), training=True) ** 2)
        return tape.gradient(total, [*inputs, *layer.trainable_variables])

    return run(*inputs)


@pytest.mark.skipif(BACKEND == "jax", reason="JAX has no missing gradients")
@every_layer
def test_gradients_are_zeros(name):
    layer = LAYERS[name]()
    layer([QUERY, MEMORY])
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        gradients = compute_gradients(layer, [QUERY, MEMORY])
    names = ["query", "memory", *(w.path for w in layer.trainable_variables)]
    assert not [n for n, gradient in zip(names, gradients, strict=True) if gradient is None]
    if name in ("additive", "dot", "sparsemax", "heads"):
        np.testing.assert_allclose(keras.ops.convert_to_numpy(gradients[0]), 0, atol=1e-6)
    assert np.abs(keras.ops.convert_to_numpy(gradients[1])).max() > 0.1


@pytest.mark.skipif(BACKEND != "tensorflow", reason="needs tf.function")
def test_gradients_are_zeros_under_xla():
    layer = ka.AdditiveAttention()
    layer([QUERY, MEMORY])
    gradients = compute_gradients(layer, [QUERY, MEMORY], compile_it=True)
    assert all(gradient is not None for gradient in gradients)
    np.testing.assert_array_equal(gradients[0], 0)


def test_model_with_only_this_layer_can_be_fitted():
    query, memory = keras.Input((3, 4)), keras.Input((1, 4))
    model = keras.Model([query, memory], ka.AdditiveAttention()([query, memory]))
    model.compile("sgd", "mse", jit_compile=False)
    before = model.get_weights()
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        model.fit([QUERY, MEMORY], QUERY, verbose=0)
    for weight, initial in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, initial)
