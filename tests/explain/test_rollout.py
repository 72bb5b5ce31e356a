"""Rollout equals a product of the layers' matrices, computed by loops in float64."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention import MultiHeadSelfAttention
from keras_attention.explain import rollout

BATCH, LENGTH = 2, 5


def numpy(x):
    return ops.convert_to_numpy(x)


def sample_weights(heads=(3, 1, 2), dtype="float32"):
    """Return random weights whose rows sum to 1, for layers with these numbers of heads."""
    rng = np.random.default_rng(0)
    weights = [rng.exponential(size=(BATCH, n, LENGTH, LENGTH)) for n in heads]
    return [(w / w.sum(axis=-1, keepdims=True)).astype(dtype) for w in weights]


def multiply_by_loops(weights, residual):
    batch, _, length, _ = weights[0].shape
    result = np.stack([np.eye(length)] * batch)
    for layer in weights:
        product = np.zeros_like(result)
        for b, i, j in np.ndindex(result.shape):
            for k in range(length):
                attention = sum(float(head[i, k]) for head in layer[b]) / layer.shape[1]
                mixed = residual * (i == k) + (1 - residual) * attention
                product[b, i, j] += mixed * result[b, k, j]
        result = product
    return result


@pytest.mark.parametrize("residual", [0, 0.3, 0.5, 1])
@pytest.mark.parametrize("count", [1, 3])
def test_result_equals_loops(count, residual):
    weights = sample_weights()[:count]
    actual = numpy(rollout(weights, residual))
    np.testing.assert_allclose(actual, multiply_by_loops(weights, residual), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(actual.sum(axis=-1), 1, rtol=1e-5)


def test_order_of_the_layers_matters():
    weights = sample_weights()
    assert np.abs(numpy(rollout(weights)) - numpy(rollout(weights[::-1]))).max() > 1e-3


def test_position_that_no_layer_attends_to_has_only_its_residual_share():
    weights = [np.zeros((1, 1, 3, 3), "float32") for _ in range(2)]
    for layer in weights:
        layer[..., 0] = 1
    expected = [[1, 0, 0], [0.75, 0.25, 0], [0.75, 0, 0.25]]
    np.testing.assert_allclose(numpy(rollout(weights))[0], expected, atol=1e-7)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_weights_are_multiplied_in_float32(dtype):
    weights = [ops.cast(w, dtype) for w in sample_weights()]
    actual = rollout(weights)
    assert keras.backend.standardize_dtype(actual.dtype) == "float32"
    expected = multiply_by_loops([numpy(ops.cast(w, "float32")) for w in weights], 0.5)
    np.testing.assert_allclose(numpy(actual), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="JAX has no float64 by default")
@pytest.mark.parametrize("dtypes", [("float32", "float64"), ("float64", "float16", "float32")])
def test_layers_of_several_dtypes_are_multiplied_in_the_widest(dtypes):
    weights = [w.astype(t) for w, t in zip(sample_weights((2,) * len(dtypes)), dtypes, strict=True)]
    actual = rollout([ops.convert_to_tensor(w, w.dtype.name) for w in weights])
    assert keras.backend.standardize_dtype(actual.dtype) == "float64"
    # On PyTorch, Keras computes means and products of float64 in float32.
    tolerance = 1e-6 if keras.backend.backend() == "torch" else 1e-12
    np.testing.assert_allclose(numpy(actual), multiply_by_loops(weights, 0.5), rtol=tolerance)


def test_model_may_contain_the_rollout_of_its_layers():
    inputs = x = keras.Input((LENGTH, 4))
    weights = []
    for _ in range(2):
        x, layer_weights = MultiHeadSelfAttention(2)(x, return_attention_scores=True)
        weights.append(layer_weights)
    model = keras.Model(inputs, [rollout(weights), *weights])
    actual, *arrays = map(numpy, model(np.ones((BATCH, LENGTH, 4), "float32")))
    np.testing.assert_allclose(actual, multiply_by_loops(arrays, 0.5), rtol=1e-5, atol=1e-6)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="needs TensorFlow graphs")
def test_graph_accepts_any_batch_and_length():
    import tensorflow as tf

    spec = tf.TensorSpec((None, None, None, None))
    graph = tf.function(lambda first, second: rollout([first, second]), [spec, spec])
    weights = sample_weights((2, 2))
    expected = multiply_by_loops(weights, 0.5)
    np.testing.assert_allclose(graph(*weights).numpy(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([], "list of each layer's weights"),
        (np.ones((1, 1, 2, 2)), "list of each layer's weights.*ndarray"),
        ([np.ones((1, 2, 2))], r"\(batch, heads, T, T\).*\(1, 2, 2\)"),
        ([np.ones((1, 1, 2, 3))], r"\(batch, heads, T, T\).*\(1, 1, 2, 3\)"),
        ([np.ones((1, 1, 2, 2)), np.ones((1, 1, 3, 3))], "same batch and T in every layer"),
        ([np.ones((1, 1, 2, 2)), np.ones((2, 1, 2, 2))], "same batch and T in every layer"),
        (["w"], "numbers"),
    ],
)
def test_wrong_weights_are_refused(weights, message):
    with pytest.raises(ValueError, match=f"Expected `weights`.*{message}"):
        rollout(weights)


@pytest.mark.parametrize("residual", [-0.1, 1.5, True, "half", None])
def test_wrong_residual_is_refused(residual):
    with pytest.raises(ValueError, match="Expected `residual` .* Received: residual="):
        rollout(sample_weights(), residual)
