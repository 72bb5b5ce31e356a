"""PatchEmbedding equals a loop over patches and a convolution, in both data formats."""

import itertools

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention import PatchEmbedding, TransformerEncoderBlock
from tests.finite_differences import GRAD_DTYPE, assert_gradients_match, only_with_float64

PATCH, WIDTH = 2, 5
IMAGES = np.random.default_rng(0).normal(size=(3, 4, 6, 2)).astype("float32")
every_variant = pytest.mark.parametrize(
    "variant",
    [
        {"class_token": token, "positions": positions}
        for token, positions in itertools.product((True, False), ("learned", "sinusoidal"))
    ],
    ids=lambda variant: f"{variant['positions']}-{variant['class_token']}",
)


def numpy(x):
    return ops.convert_to_numpy(x)


def build_layer(images=IMAGES, dtype="float32", **options):
    layer = PatchEmbedding(PATCH, WIDTH, dtype=dtype, **options)
    layer(images)
    rng = np.random.default_rng(1)
    layer.set_weights([0.5 * rng.normal(size=w.shape) for w in layer.get_weights()])
    return layer


def embed_by_loops(images, kernel, bias, *others, class_token, positions):
    """Cut patches and project them, one number after the other, in float64."""
    others = list(others)
    token = others.pop(0) if class_token else None
    learned = others.pop(0) if positions == "learned" else None
    _, height, width, channels = images.shape
    output = []
    for image in images:
        vectors = [] if token is None else [np.array(token, "float64")]
        for row in range(0, height, PATCH):
            for column in range(0, width, PATCH):
                vector = np.array(bias, "float64")
                for y, x, c in np.ndindex(PATCH, PATCH, channels):
                    index = (y * PATCH + x) * channels + c
                    pixel = np.float64(image[row + y, column + x, c])
                    vector = vector + pixel * np.array(kernel[index], "float64")
                vectors.append(vector)
        for t, vector in enumerate(vectors):
            for i in range(WIDTH):
                angle = t / 10000 ** ((i - i % 2) / WIDTH)
                sinusoid = np.cos(angle) if i % 2 else np.sin(angle)
                vector[i] += sinusoid if learned is None else learned[t, i]
        output.append(vectors)
    return np.array(output)


@every_variant
def test_output_equals_a_loop_over_patches(variant):
    layer = build_layer(**variant)
    expected = embed_by_loops(IMAGES, *map(numpy, layer.weights), **variant)
    assert expected.shape == (3, 6 + variant["class_token"], WIDTH)
    np.testing.assert_allclose(numpy(layer(IMAGES)), expected, rtol=1e-5, atol=1e-5)


@only_with_float64
@every_variant
def test_output_equals_a_loop_to_ten_digits_in_float64(variant):
    images = IMAGES.astype("float64")
    layer = build_layer(images, dtype="float64", **variant)
    expected = embed_by_loops(images, *map(numpy, layer.weights), **variant)
    np.testing.assert_allclose(numpy(layer(images)), expected, rtol=1e-10, atol=1e-10)


def test_gradients_match_finite_differences():
    layer = build_layer(dtype=GRAD_DTYPE)
    factors = np.random.default_rng(2).normal(size=(3, 7, WIDTH)).astype(GRAD_DTYPE)

    def formula(images, *weights):
        outputs = embed_by_loops(images, *weights, class_token=True, positions="learned")
        return np.sum(outputs * factors)

    def loss(images):
        return ops.sum(ops.multiply(layer(images), factors))

    assert_gradients_match(loss, formula, [IMAGES], layer.weights)


def test_patches_equal_a_convolution_whose_kernel_and_strides_are_a_patch():
    layer = build_layer(class_token=False)
    kernel, bias, positions = layer.get_weights()
    convolution = keras.layers.Conv2D(WIDTH, PATCH, PATCH, data_format="channels_last")
    convolution.build(IMAGES.shape)
    convolution.set_weights([kernel.reshape(PATCH, PATCH, 2, WIDTH), bias])
    expected = numpy(convolution(IMAGES)).reshape(3, 6, WIDTH) + positions
    np.testing.assert_allclose(numpy(layer(IMAGES)), expected, rtol=1e-5, atol=1e-5)


@every_variant
def test_channels_first_has_the_same_weights_and_output(variant):
    last = build_layer(data_format="channels_last", **variant)
    images = IMAGES.transpose(0, 3, 1, 2)
    first = build_layer(images, data_format="channels_first", **variant)
    first.set_weights(last.get_weights())
    np.testing.assert_array_equal(numpy(first(images)), numpy(last(IMAGES)))
    model = keras.Sequential([keras.Input((2, 4, 6)), first])
    assert tuple(model.output_shape) == (None, 6 + variant["class_token"], WIDTH)


def test_permuting_patches_with_their_positions_does_not_change_a_classifier():
    """The class token's output does not depend on the order of the other positions."""
    layer, block = build_layer(), TransformerEncoderBlock(1, 7, dropout=0.0, norm="pre")
    expected = numpy(block(layer(IMAGES)))[:, 0]
    order = np.random.default_rng(3).permutation(6)
    patches = IMAGES.reshape(3, 2, PATCH, 3, PATCH, 2).swapaxes(2, 3)
    patches = patches.reshape(3, 6, PATCH, PATCH, 2)[:, order]
    patches = patches.reshape(3, 2, 3, PATCH, PATCH, 2).swapaxes(2, 3)
    permuted = patches.reshape(IMAGES.shape)
    assert np.abs(numpy(block(layer(permuted)))[:, 0] - expected).max() > 1e-2
    *others, positions = layer.get_weights()
    layer.set_weights([*others, positions[[0, *(1 + order)]]])
    actual = numpy(block(layer(permuted)))[:, 0]
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision_is_near_float32_for_bytes(dtype):
    images = np.random.default_rng(4).integers(256, size=(2, 4, 6, 3)).astype("uint8")
    half = build_layer(images, dtype=dtype)
    layer = build_layer(images)
    output = half(images)
    assert keras.backend.standardize_dtype(output.dtype) == dtype.removeprefix("mixed_")
    output, expected = numpy(ops.cast(output, "float32")), numpy(layer(images))
    np.testing.assert_allclose(output, expected, rtol=0.02, atol=0.02 * np.abs(expected).max())


def test_weights_have_their_names_and_order_and_initializers():
    layer = PatchEmbedding(PATCH, WIDTH)
    layer(IMAGES)
    shapes = {w.name: tuple(w.shape) for w in layer.weights}
    expected = {"kernel": (8, 5), "bias": (5,), "class_token": (5,), "positions": (7, 5)}
    assert shapes == expected and list(shapes) == list(expected)
    assert not numpy(layer.weights[2]).any() and numpy(layer.weights[3]).any()
    others = PatchEmbedding(PATCH, WIDTH, class_token=False, positions="sinusoidal")
    others(IMAGES)
    assert [w.name for w in others.weights] == ["kernel", "bias"]


def test_sinusoidal_positions_accept_images_of_another_size():
    layer = build_layer(positions="sinusoidal")
    assert layer(IMAGES[:, :2]).shape == (3, 4, WIDTH)
    with pytest.raises(ValueError, match=r"built with, \(4, 6, 2\) .*Received: .*\(4, 6, 1\)"):
        layer(IMAGES[..., :1])


def test_learned_positions_accept_one_size():
    layer = build_layer()
    with pytest.raises(ValueError, match=r"built with, \(4, 6, 2\) .*Received: .*\(6, 4, 2\)"):
        layer(IMAGES.swapaxes(1, 2))


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((None, 4, 6), "Expected `inputs` of shape .batch, height, width, channels"),
        ((None, None, 6, 2), "known height"),
        ((None, 4, 6, None), "known height"),
        ((None, 5, 6, 2), "height is a multiple of patch=2.*Received: height=5"),
        ((None, 4, 7, 2), "width is a multiple of patch=2.*Received: width=7"),
        ((None, 0, 6, 2), "height is a multiple of patch=2.*Received: height=0"),
    ],
)
def test_wrong_sizes_are_refused_by_name(shape, message):
    with pytest.raises(ValueError, match=message):
        PatchEmbedding(PATCH, WIDTH)(keras.Input(batch_shape=shape))


def test_frozen_layer_keeps_its_weights_in_training_and_in_a_saved_model(tmp_path):
    layer = PatchEmbedding(PATCH, WIDTH, trainable=False)
    inputs = keras.Input(IMAGES.shape[1:])
    model = keras.Model(inputs, keras.layers.Dense(1)(layer(inputs)))
    before = layer.get_weights()
    model.compile("sgd", "mse")
    model.fit(IMAGES, np.ones((3, 7, 1)), verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    for m in (model, loaded):
        assert len(m.trainable_weights) == 2
        for value, expected in zip(m.layers[1].get_weights(), before, strict=True):
            np.testing.assert_array_equal(value, expected)
    np.testing.assert_allclose(numpy(loaded(IMAGES)), numpy(model(IMAGES)), rtol=1e-6, atol=1e-6)
