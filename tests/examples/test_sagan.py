"""SAGAN: its quick run, training step, spectral norms and Fréchet distance."""

import os

import keras
import numpy as np
import pytest
from keras import ops

if keras.backend.backend() != "tensorflow":
    pytest.skip("the examples run on TensorFlow", allow_module_level=True)

from examples import frechet, sagan
from examples.gan import GAN
from keras_attention import export


def gan(attention="16x16"):
    keras.utils.set_random_seed(0)
    generator = sagan.make_generator(2, 5, 1, attention)
    model = GAN(generator, sagan.make_discriminator(2, (32, 32, 1), attention))
    model.compile(keras.optimizers.SGD(1e-2), keras.optimizers.SGD(1e-2))
    return model


def batch(size=3):
    images = np.random.default_rng(0).uniform(-1, 1, (size, 32, 32, 1)).astype("float32")
    return images, np.arange(size, dtype="int32")


def train_on_batch(model):
    return model.train_step(tuple(map(ops.convert_to_tensor, batch())))


@pytest.mark.skipif(not os.environ.get("TFDS_DATA_DIR"), reason="TFDS_DATA_DIR is not set")
def test_the_quick_run_trains_evaluates_draws_and_exports(tmp_path):
    folders = {name: str(tmp_path / name) for name in ("runs", "pictures", "saved_models")}
    figures = sagan.main(quick=True, **folders)
    assert figures["Fréchet distance"] > 0
    assert figures["gamma of the generator"] != 0 != figures["gamma of the discriminator"]
    for name in ("sagan_mnist_quick.png", "sagan_mnist_quick_attention.png"):
        assert (tmp_path / "pictures" / name).read_bytes()[:4] == b"\x89PNG"
    inputs = {"noise": np.ones((2, 5), "float32"), "label": np.array([3, 4], "int32")}
    path = tmp_path / "saved_models/sagan_mnist_quick/1"
    images = export.run_in_c_loader(path, "serving_default", inputs)["image"]
    assert images.shape == (2, 32, 32, 1) and 0 <= images.min() < images.max() <= 1


@pytest.mark.parametrize("attention", sagan.ATTENTIONS)
def test_every_weight_of_both_networks_is_trained(attention):
    model = gan(attention)
    before = [ops.convert_to_numpy(w) for w in model.trainable_variables]
    for _ in range(2):  # the first step changes only gamma of an attention
        train_on_batch(model)
    for old, new in zip(before, model.trainable_variables, strict=True):
        assert np.abs(ops.convert_to_numpy(new) - old).max() > 0, new.path


def test_a_batch_advances_the_power_iterations_of_the_discriminator_once():
    model, expected = gan(), gan().discriminator
    model.discriminator_optimizer.learning_rate = 0.0
    expected.set_weights(model.discriminator.get_weights())
    train_on_batch(model)
    expected(list(batch()), training=True)
    for weight, value in zip(model.discriminator.weights, expected.weights, strict=True):
        np.testing.assert_allclose(weight, value, atol=1e-6, err_msg=weight.path)


def test_the_spectral_norm_of_all_matrices_becomes_one():
    model = gan()
    for _ in range(30):
        model.discriminator(list(batch()), training=True)
        model.generate(ops.convert_to_tensor(batch()[1]))
    kernels = [weight for weight in model.trainable_variables if "kernel" in weight.path]
    assert len(kernels) == 11 + 14 + 2 * 4  # generator, discriminator, their attentions
    for kernel in kernels:
        matrix = ops.convert_to_numpy(kernel).reshape(-1, kernel.shape[-1])
        assert np.linalg.norm(matrix, 2) == pytest.approx(1, abs=0.05), kernel.path


def test_the_loss_is_the_hinge_loss():
    class Discriminator(keras.layers.Layer):
        """Returns 2 for white images and -0.25 for others."""

        def call(self, images):
            is_white = ops.min(images, axis=(1, 2, 3))[:, None] == 1
            return ops.where(is_white, 2.0, -0.25) + 0 * ops.sum(images)

    image, label = keras.Input((32, 32, 1)), keras.Input((), dtype="int32")
    model = GAN(gan().generator, keras.Model([image, label], Discriminator()(image)))
    model.compile(keras.optimizers.SGD(0.0), keras.optimizers.SGD(0.0))
    losses = model.train_step((ops.ones((3, 32, 32, 1)), ops.arange(3)))
    assert losses["discriminator_loss"].numpy() == pytest.approx(0 + 0.75)
    assert losses["generator_loss"].numpy() == pytest.approx(0.25)


def test_the_distance_of_normal_distributions_matches_the_formula():
    rng = np.random.default_rng(0)
    first = rng.normal(size=(200_000, 2)) * [1.0, 3.0]
    second = rng.normal(size=(200_000, 2)) * [2.0, 1.0] + [0.5, -1.0]
    expected = 0.5**2 + 1 + (1 - 2) ** 2 + (3 - 1) ** 2
    assert frechet.compute_distance(first, second) == pytest.approx(expected, rel=0.01)
    assert frechet.compute_distance(first, first) == pytest.approx(0, abs=1e-9)


def test_the_distance_includes_correlations_and_accepts_constant_features():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(50_000, 1))
    first = np.concatenate([x, x, 0 * x], axis=1)
    second = np.concatenate([x, -x, 0 * x], axis=1)
    # C1 C2 = 0, so that the distance is the sum of both traces.
    assert frechet.compute_distance(first, second) == pytest.approx(4, rel=0.02)


def test_the_discriminator_has_four_times_the_learning_rate():
    model = sagan.make_gan(2, 5, (32, 32, 1), "none", seed=0)
    rates = model.optimizer.learning_rate, model.discriminator_optimizer.learning_rate
    assert [float(rate) for rate in rates] == pytest.approx([1e-4, 4e-4])


def test_non_positive_sizes_are_refused():
    with pytest.raises(ValueError, match="Expected positive .* Received: steps=0"):
        sagan.main(steps=0)
