"""RecurrentGlimpses: against loops, its gradients, randomness, learning, saving, refusals."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention import RecurrentGlimpses, ReinforceModel
from tests.compile_model import compile_model

JIT = keras.backend.backend() != "torch"
SIZES = {"glimpses": 3, "size": 2, "units": 5, "glimpse_units": 4, "locator_units": 3}
IMAGES = np.random.default_rng(0).normal(size=(4, 6, 7, 2)).astype("float32")
FIRST = np.array([[0, 0], [-1, 1], [0.5, -0.5], [1, 1]], "float32")


def numpy(x):
    return ops.convert_to_numpy(x)


def make_layer(**options):
    layer = RecurrentGlimpses(**{**SIZES, **options}, seed=1)
    layer.build(IMAGES.shape)
    rng = np.random.default_rng(1)
    for weight in layer.trainable_weights:
        weight.assign(rng.normal(size=weight.shape) / 2)
    return layer


def relu(x):
    return np.maximum(x, 0)


def affine(layer, x):
    return x @ numpy(layer.kernel) + numpy(layer.bias)


def reference(layer, image, center):
    """Return the state after the last glimpse at one image, and all centers."""
    padded, hidden, centers = np.pad(image, ((1, 0), (1, 0), (0, 0))), np.zeros(5), [center]
    for t in range(3):
        row, column = (round(x) for x in (centers[-1] + 1) / 2 * np.array([5, 6]))
        square = padded[row : row + 2, column : column + 2].ravel()
        seen = affine(layer.join_sensor, relu(affine(layer.sensor, square)))
        where = affine(layer.join_location, relu(affine(layer.location, centers[-1])))
        hidden = relu(affine(layer.core, np.concatenate([hidden, relu(seen + where)])))
        if t < 2:
            features = relu(affine(layer.locator_hidden, hidden))
            centers.append(np.tanh(affine(layer.locator, features)))
    return hidden, centers


def test_states_and_locations_equal_loops():
    layer = make_layer()
    states, locations = layer(IMAGES, FIRST, return_locations=True)
    for n in range(4):
        state, centers = reference(layer, IMAGES[n], FIRST[n])
        np.testing.assert_allclose(numpy(states)[n], state, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(numpy(locations)[n], centers, rtol=1e-4, atol=1e-5)


def test_inference_is_deterministic_but_for_a_random_start():
    layer = make_layer()
    first, second = (numpy(layer(IMAGES, FIRST)) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    starts = [numpy(layer(IMAGES, return_locations=True)[1])[:, 0] for _ in range(2)]
    assert np.abs(starts[0] - starts[1]).max() > 0.01 and np.abs(starts).max() <= 1
    layer = make_layer(start="center")
    assert not numpy(layer(IMAGES, return_locations=True)[1])[:, 0].any()


def test_training_samples_around_the_mean():
    layer = make_layer(deviation=0.01)
    _, means = layer(IMAGES, FIRST, return_locations=True)
    _, drawn = layer(IMAGES, FIRST, return_locations=True, training=True)
    distance = np.abs(numpy(drawn)[:, 1] - numpy(means)[:, 1])
    assert 0 < distance.max() < 0.06


def test_the_locator_learns_from_the_reward_and_the_rest_from_the_loss():
    def find_moved(model, loss):
        compile_model(model, keras.optimizers.SGD(0.1), loss, jit_compile=JIT)
        before = [numpy(w) for w in layer.trainable_weights]
        model.fit([IMAGES, FIRST], np.array([1.0, -2.0, 0.5, 3.0]), verbose=0)
        pairs = zip(layer.trainable_weights, before, strict=True)
        return {w.path for w, old in pairs if not np.array_equal(numpy(w), old)}

    inputs = [keras.Input(IMAGES.shape[1:]), keras.Input((2,))]
    layer = make_layer()
    outputs = layer(*inputs)
    policy = [layer.locator_hidden, layer.locator, layer.baseline]
    policy = {w.path for part in policy for w in part.trainable_weights}
    rewarded = ReinforceModel(inputs, outputs, reward=lambda y, y_pred: ops.reshape(y, (-1,)))
    assert find_moved(rewarded, lambda y, y_pred: 0 * y_pred) == policy
    rest = {w.path for w in layer.trainable_weights} - policy
    assert find_moved(keras.Model(inputs, outputs), lambda y, y_pred: y_pred) == rest


def test_an_unaware_model_is_not_disturbed():
    inputs = keras.Input(IMAGES.shape[1:])
    layer = make_layer()
    model = keras.Model(inputs, keras.layers.Dense(2)(layer(inputs)))
    compile_model(model, "sgd", "mse", jit_compile=JIT)
    before = numpy(layer.locator.kernel)
    model.fit(IMAGES, np.zeros((4, 2)), verbose=0)
    np.testing.assert_array_equal(numpy(layer.locator.kernel), before)


@pytest.mark.slow
def test_it_learns_to_look_at_the_square():
    """The first glimpse shows where the square is, only a close one its class: its stripes."""
    rng = np.random.default_rng(0)
    count = 4096
    images, classes = np.zeros((count, 12, 12, 1), "float32"), rng.integers(2, size=count)
    corners = rng.integers(2, size=(count, 2)) * 8
    for n, (row, column) in enumerate(corners):  # both kinds of stripes have equal means
        images[n, row : row + 4, column + classes[n] : column + 4 : 2] = 1
    inputs = keras.Input(images.shape[1:])
    layer = RecurrentGlimpses(4, 4, 2, units=64, deviation=0.2, start="center", seed=0)
    outputs = keras.layers.Dense(2, "softmax")(layer(inputs))
    model = ReinforceModel(inputs, outputs, reward="accuracy")
    loss = "sparse_categorical_crossentropy"
    compile_model(model, keras.optimizers.Adam(2e-3), loss, metrics=["accuracy"], jit_compile=JIT)
    model.fit(images, classes, batch_size=128, epochs=40, verbose=0)
    assert model.evaluate(images, classes, batch_size=512, verbose=0)[1] > 0.9


def test_a_saved_model_gives_equal_locations(tmp_path):
    images, first = keras.Input(IMAGES.shape[1:]), keras.Input((2,))
    layer = RecurrentGlimpses(**{**SIZES, "locator_units": None}, cell=keras.layers.LSTMCell(5))
    model = keras.Model([images, first], layer(images, first, return_locations=True))
    model.save(tmp_path / "model.keras")
    copy = keras.models.load_model(tmp_path / "model.keras")
    for actual, expected in zip(copy([IMAGES, FIRST]), model([IMAGES, FIRST]), strict=True):
        np.testing.assert_array_equal(numpy(actual), numpy(expected))


def test_bytes_are_scaled():
    pixels = np.random.default_rng(2).integers(256, size=IMAGES.shape).astype("uint8")
    layer = make_layer(scales=2)
    actual, expected = layer(pixels, FIRST), layer(pixels.astype("float32") / 255, FIRST)
    np.testing.assert_allclose(numpy(actual), numpy(expected), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dtype", ["float16", "mixed_float16"])
@pytest.mark.parametrize("scales", [1, 2])
def test_large_pixels_give_finite_outputs_in_half_precision(dtype, scales):
    layer = make_layer(dtype=dtype, scales=scales)
    signs = np.random.default_rng(3).choice([-1, 1], size=IMAGES.shape)
    for images in (np.full_like(IMAGES, 6e4), 6e4 * signs.astype("float32")):
        for training in (False, True):
            results = layer(images, FIRST, return_locations=True, training=training)
            for result in results:
                assert np.isfinite(numpy(ops.cast(result, "float32"))).all()


def test_layers_of_the_network_equal_dense_layers_in_float32():
    layer = make_layer()
    x = np.random.default_rng(4).normal(size=(4, 10)).astype("float32")
    for part in (layer.core, layer.sensor, layer.locator):
        inputs = ops.convert_to_tensor(x[:, : part.kernel.shape[0]])
        expected = keras.layers.Dense.call(part, inputs)
        np.testing.assert_array_equal(numpy(part(inputs)), numpy(expected))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((IMAGES[0],), r"`images` of shape \(batch, H, W, C\)"),
        ((IMAGES[..., :1],), "number of channels"),
        ((IMAGES, FIRST[:3]), r"`first` of shape \(batch, 2\)"),
        ((IMAGES, FIRST[:, :1]), r"`first` of shape \(batch, 2\)"),
    ],
)
def test_wrong_inputs_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        make_layer()(*arguments)


def test_wrong_cells_are_refused():
    with pytest.raises(ValueError, match="without dropout whose output has the width `units`"):
        RecurrentGlimpses(units=4, cell=keras.layers.LSTMCell(5))
    with pytest.raises(ValueError, match="without dropout"):
        RecurrentGlimpses(units=4, cell=keras.layers.LSTMCell(4, dropout=0.1))
