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


def learn(model):
    return model.train_step(tuple(map(ops.convert_to_tensor, batch())))


@pytest.mark.skipif(not os.environ.get("TFDS_DATA_DIR"), reason="TFDS_DATA_DIR has the real data")
def test_the_quick_run_trains_measures_draws_and_exports(tmp_path):
    folders = {name: str(tmp_path / name) for name in ("runs", "pictures", "saved_models")}
    figures = sagan.main(quick=True, **folders)
    assert figures["Fréchet distance"] > 0
    assert figures["gamma of the generator"] != 0 != figures["gamma of the discriminator"]
    for name in ("sagan_mnist_quick.png", "sagan_mnist_quick_attention.png"):
        assert (tmp_path / "pictures" / name).read_bytes()[:4] == b"\x89PNG"
    given = {"noise": np.ones((2, 5), "float32"), "label": np.array([3, 4], "int32")}
    path = tmp_path / "saved_models/sagan_mnist_quick/1"
    found = export.run_in_c_loader(path, "serving_default", given)["image"]
    assert found.shape == (2, 32, 32, 1) and 0 <= found.min() < found.max() <= 1


@pytest.mark.parametrize("attention", sagan.ATTENTIONS)
def test_every_weight_of_both_networks_learns(attention):
    model = gan(attention)
    before = [ops.convert_to_numpy(w) for w in model.trainable_variables]
    for _ in range(2):  # in the first step only gamma of an attention moves
        learn(model)
    for old, new in zip(before, model.trainable_variables, strict=True):
        assert np.abs(ops.convert_to_numpy(new) - old).max() > 0, new.path


def test_a_batch_moves_the_power_iterations_of_the_discriminator_by_one_step():
    model, once = gan(), gan().discriminator
    model.discriminator_optimizer.learning_rate = 0.0
    once.set_weights(model.discriminator.get_weights())
    learn(model)
    once(list(batch()), training=True)
    for found, expected in zip(model.discriminator.weights, once.weights, strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-6, err_msg=found.path)


def test_all_matrices_of_both_networks_come_to_a_spectral_norm_of_one():
    model = gan()
    for _ in range(30):
        model.discriminator(list(batch()), training=True)
        model.generate(ops.convert_to_tensor(batch()[1]))
    kernels = [weight for weight in model.trainable_variables if "kernel" in weight.path]
    assert len(kernels) == 11 + 14 + 2 * 4  # generator, discriminator, their attentions
    for kernel in kernels:
        matrix = ops.convert_to_numpy(kernel).reshape(-1, kernel.shape[-1])
        assert np.linalg.norm(matrix, 2) == pytest.approx(1, abs=0.05), kernel.path


def test_the_loss_is_the_hinge_of_both_sides():
    class Judge(keras.layers.Layer):
        """Is sure of what is white, and a little against all else."""

        def call(self, images):
            is_white = ops.min(images, axis=(1, 2, 3))[:, None] == 1
            return ops.where(is_white, 2.0, -0.25) + 0 * ops.sum(images)

    image, label = keras.Input((32, 32, 1)), keras.Input((), dtype="int32")
    model = GAN(gan().generator, keras.Model([image, label], Judge()(image)))
    model.compile(keras.optimizers.SGD(0.0), keras.optimizers.SGD(0.0))
    losses = model.train_step((ops.ones((3, 32, 32, 1)), ops.arange(3)))
    assert losses["discriminator_loss"].numpy() == pytest.approx(0 + 0.75)
    assert losses["generator_loss"].numpy() == pytest.approx(0.25)


def test_the_distance_of_normal_distributions_is_known():
    rng = np.random.default_rng(0)
    one = rng.normal(size=(200_000, 2)) * [1.0, 3.0]
    other = rng.normal(size=(200_000, 2)) * [2.0, 1.0] + [0.5, -1.0]
    expected = 0.5**2 + 1 + (1 - 2) ** 2 + (3 - 1) ** 2
    assert frechet.distance(one, other) == pytest.approx(expected, rel=0.01)
    assert frechet.distance(one, one) == pytest.approx(0, abs=1e-9)


def test_the_distance_sees_correlations_and_takes_constant_features():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(50_000, 1))
    one = np.concatenate([x, x, 0 * x], axis=1)
    other = np.concatenate([x, -x, 0 * x], axis=1)
    # C1 C2 = 0, so all of both traces remains.
    assert frechet.distance(one, other) == pytest.approx(4, rel=0.02)


def test_the_discriminator_learns_four_times_as_fast():
    model = sagan.make_gan(2, 5, (32, 32, 1), "none", seed=0)
    rates = model.optimizer.learning_rate, model.discriminator_optimizer.learning_rate
    assert [float(rate) for rate in rates] == pytest.approx([1e-4, 4e-4])


def test_what_cannot_be_trained_is_refused_at_once():
    with pytest.raises(ValueError, match="Expected positive .* Received: steps=0"):
        sagan.main(steps=0)
