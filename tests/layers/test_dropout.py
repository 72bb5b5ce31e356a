"""Dropout drops the elements that a loop over a hash selects, and behaves as Keras's layer."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_attention
from keras_attention.testing.backends import compile_function
from keras_attention.testing.gradients import gradients

RNG = np.random.default_rng(0)
X = RNG.normal(size=(5, 7, 9)).astype("float32")


def numpy(x):
    return ops.convert_to_numpy(x)


def mix(x, *rounds):
    """Return a hash of a number below 2^32; a round is a shift and an odd factor, or None."""
    for shift, factor in rounds:
        x ^= x >> shift
        x = x * factor % 2**32 if factor else x
    return x


def mix_bits(x):
    x = (x + 0x9E3779B9) % 2**32
    return mix(x, (16, 0x7FEB352D), (15, 0x846CA68B), (16, None))


def keep_by_hand(shape, rate, seed, call):
    """Return the dropout mask of the number `call` of a layer's calls, one element at a time."""
    *rows, width = shape
    keep = np.empty((int(np.prod(rows)), width), bool)
    for row in range(len(keep)):
        row_seed = mix_bits(mix_bits(row ^ mix_bits(seed)) ^ mix_bits(call))
        for column in range(width):
            number = mix(column * 0x9E3779B9 % 2**32, (16, 0x7FEB352D)) ^ row_seed
            number = mix(number * 0x846CA68B % 2**32, (15, 0x2C1B3C6D))
            keep[row, column] = (number + 2**31) % 2**32 >= int(rate * 2**32)
    return keep.reshape(shape)


@pytest.mark.parametrize("noise_shape", [None, (None, None, 1), (None, 1, None), (1, 7, 9)])
def test_outputs_equal_a_loop_over_elements(noise_shape):
    layer = keras_attention.Dropout(0.3, noise_shape, seed=2**31 - 5)
    shape = [m or n for m, n in zip(noise_shape or (None,) * 3, X.shape, strict=True)]
    for call in range(3):
        keep = keep_by_hand(shape, 0.3, 2**31 - 5, call)
        np.testing.assert_allclose(numpy(layer(X, training=True)), np.where(keep, X / 0.7, 0), 1e-6)
        np.testing.assert_array_equal(numpy(layer(X)), X)


def test_sequence_of_calls_continues_in_a_compiled_call_of_unknown_shape():
    layer = keras_attention.Dropout(0.5, (None, 1, None), seed=4)
    run = compile_function(lambda x, state: layer.stateless_call([], [state], x, training=True))
    state = layer.seed_generator.state.value
    for call, size in enumerate((2, 5)):
        output, (state,) = run(ops.convert_to_tensor(X[:size]), state)
        keep = keep_by_hand((size, 1, 9), 0.5, 4, call)
        np.testing.assert_array_equal(numpy(output), np.where(keep, 2 * X[:size], 0))


def test_loaded_functional_model_starts_from_the_seed(tmp_path):
    inputs = keras.Input((None, 9))
    outputs = keras_attention.Dropout(0.5, seed=4, noise_shape=[None, None, 1])(inputs)
    model = keras.Model(inputs, outputs)
    model.save(tmp_path / "model.keras")
    keep = keep_by_hand((5, 7, 1), 0.5, 4, call=0)
    for m in (model, keras.saving.load_model(tmp_path / "model.keras")):
        np.testing.assert_array_equal(numpy(m(X)), X)
        np.testing.assert_array_equal(numpy(m(X, training=True)), np.where(keep, 2 * X, 0))


def test_masks_of_successive_calls_and_of_other_seeds_are_independent():
    ones = np.ones((40, 50, 20), "float32")
    first, second = (keras_attention.Dropout(0.5, seed=seed) for seed in (1, 2))
    samples = [numpy(layer(ones, training=True)) for layer in (first, first, first, second)]
    for i, sample in enumerate(samples):
        size = sample.size
        assert abs(sample.mean() - 1) < 4 / size**0.5
        for axes in ((1, 2), (0, 2), (0, 1)):
            means = sample.mean(axis=axes)
            assert np.abs(means - 1).max() < 5 * (means.size / size) ** 0.5
        for shifted in (np.roll(sample, n, axis) for n in (1, 2, 16) for axis in range(3)):
            assert abs(((sample - 1) * (shifted - 1)).mean()) < 5 / size**0.5
        for other in samples[:i]:
            assert abs(((sample - 1) * (other - 1)).mean()) < 4 / size**0.5


def test_gradient_is_that_of_a_fixed_mask():
    keep = keep_by_hand(X.shape, 0.3, 6, 0)

    def loss(x):
        output = keras_attention.Dropout(0.3, seed=6)(x, training=True)
        return ops.sum(output**3)

    (gradient,) = gradients(loss, [X])
    np.testing.assert_allclose(gradient, np.where(keep, 3 * X**2 / 0.7**3, 0), 1e-5)


@pytest.mark.parametrize("dtype", ["float16", "mixed_bfloat16"])
def test_half_precision_drops_the_same_elements(dtype):
    layer = keras_attention.Dropout(0.25, seed=8, dtype=dtype)
    output = layer(ops.ones(X.shape), training=True)
    assert keras.backend.standardize_dtype(output.dtype) == layer.compute_dtype
    values = numpy(ops.cast(output, "float32"))
    np.testing.assert_allclose(values, np.where(keep_by_hand(X.shape, 0.25, 8, 0), 4 / 3, 0), 2**-8)


@pytest.mark.parametrize("rate", [0, 1])
def test_extreme_rates_return_the_inputs_or_zeros(rate):
    layer = keras_attention.Dropout(rate)
    np.testing.assert_array_equal(numpy(layer(X, training=True)), (1 - rate) * X)


def test_layer_replaces_that_of_keras():
    arguments = {"rate": 0.5, "noise_shape": (None, 1, None), "seed": 3, "name": "drop"}
    ours, theirs = keras_attention.Dropout(**arguments), keras.layers.Dropout(**arguments)
    assert isinstance(ours, keras.layers.Dropout) and ours.supports_masking
    assert ours.get_config() == theirs.get_config()
    assert [(v.name, v.shape) for v in ours.variables] == [
        (v.name, v.shape) for v in theirs.variables
    ]
    ours.trainable = False  # as in Keras, a frozen layer drops elements too
    assert (numpy(ours(X, training=True)) == 0).any()


def test_keras_mask_is_propagated():
    inputs = keras.layers.Masking()(keras.Input((7, 9)))
    assert keras_attention.Dropout(0.5)(inputs)._keras_mask is inputs._keras_mask


@pytest.mark.parametrize("noise_shape", [(5, 7), (5, 3, 9), (None, 2, None)])
def test_noise_shape_that_does_not_fit_is_refused(noise_shape):
    layer = keras_attention.Dropout(0.5, noise_shape)
    for x in (X, keras.Input((7, 9))):
        with pytest.raises(ValueError, match="Expected `inputs`.*Received: .*noise_shape="):
            layer(x)
