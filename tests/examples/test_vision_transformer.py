"""The Vision Transformer: its quick run, export, networks, data and augmentation."""

import keras
import numpy as np
import pytest

if keras.backend.backend() != "tensorflow":
    pytest.skip("the examples run on TensorFlow", allow_module_level=True)

from examples import vision_transformer
from examples.datasets import images as data_sets
from examples.datasets.images import augment
from examples.image_classifiers import make_convolutional, make_transformer
from keras_attention import export

SHAPE = (8, 12, 1)


def load_pixels(name, split, data_dir=None):
    """Return random images and labels in the shape of MNIST; the last pixel is the label."""
    count = {"train[:200]": 200, "test[:100]": 100}[split]
    rng = np.random.default_rng(count)
    images = rng.integers(256, size=(count, 28, 28, 1)).astype("uint8")
    labels = np.arange(count, dtype="int32") % 10
    images[:, -1, -1, 0] = labels
    return images, labels


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    directory = tmp_path_factory.mktemp("vision")
    folders = {name: str(directory / name) for name in ("runs", "pictures", "saved_models")}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data_sets, "load_pixels", load_pixels)
        figures = vision_transformer.main(quick=True, **folders)
        again = vision_transformer.main(quick=True, model="convolution", **folders)
    return directory, figures, again


def test_quick_run_reports_plots_and_exports(quick):
    directory, figures, _ = quick
    assert figures["images"] == {"train": 100, "validation": 100, "test": 100}
    assert len(figures["learning curve"]) == 2 and 0 <= figures["test accuracy"] <= 1
    picture = directory / "pictures" / "vision_transformer_mnist_quick.png"
    assert picture.stat().st_size > 10_000
    path = directory / "saved_models" / "vision_transformer_mnist_quick" / "1"
    images = load_pixels("mnist", "test[:100]")[0][:2]
    answer = export.run_in_c_loader(path, "rollout", {"image": images})
    assert {name: array.shape for name, array in answer.items()} == {
        "attention": (2, 7, 7),
        "probabilities": (2, 10),
        "rollout": (2, 7, 7),
    }
    np.testing.assert_allclose(answer["probabilities"].sum(axis=-1), 1, rtol=1e-5)
    # A map has the shares of the patches; the rest is the class token's own share.
    for name in ("attention", "rollout"):
        assert ((answer[name].sum(axis=(1, 2)) > 0.1) & (answer[name].sum(axis=(1, 2)) < 1)).all()


def test_convolutional_network_is_classified_but_not_drawn(quick):
    directory, _, figures = quick
    assert figures["model"] == "convolution" and len(figures["learning curve"]) == 2
    assert [path.name for path in (directory / "pictures").iterdir()] == [
        "vision_transformer_mnist_quick.png"
    ]
    assert (directory / "saved_models" / "vision_convolution_mnist_quick" / "1").is_dir()


def test_validation_images_are_the_last_training_images(monkeypatch):
    monkeypatch.setattr(data_sets, "load_pixels", load_pixels)
    parts = vision_transformer.load_parts("mnist", quick=True)
    images, labels = load_pixels("mnist", "train[:200]")
    for part, chosen in (("train", slice(100)), ("validation", slice(100, None))):
        np.testing.assert_array_equal(parts[part][0], images[chosen])
        np.testing.assert_array_equal(parts[part][1], labels[chosen])


def test_model_of_the_maps_has_the_same_logits_and_the_maps_of_the_class_token():
    keras.utils.set_random_seed(0)
    network, with_maps = make_transformer(SHAPE, 4, 8, blocks=2, heads=2, dropout=0.5)
    rng = np.random.default_rng(0)
    network.set_weights([0.5 * rng.normal(size=w.shape) for w in network.get_weights()])
    images = rng.integers(256, size=(3, *SHAPE)).astype("uint8")
    outputs = with_maps(images, training=False)
    np.testing.assert_allclose(outputs["logits"], network(images, training=False), atol=1e-5)

    attend = export.attention_of(with_maps)[0]
    first, last = (np.array(x).mean(axis=1) for _, x in sorted(attend(image=images).items()))
    matrices = [(np.eye(7) + layer) / 2 for layer in (first, last)]
    expected = (matrices[1] @ matrices[0])[:, 0, 1:].reshape(3, 2, 3)
    np.testing.assert_allclose(outputs["rollout"], expected, atol=1e-5)
    np.testing.assert_allclose(outputs["attention"], last[:, 0, 1:].reshape(3, 2, 3), atol=1e-5)


def test_networks_have_about_as_many_weights_on_cifar10():
    network, _ = make_transformer((32, 32, 3), patch=4, width=64, blocks=4, heads=4, dropout=0.0)
    counts = network.count_params(), make_convolutional((32, 32, 3)).count_params()
    assert counts[1] == pytest.approx(counts[0], rel=0.02)


def test_augmented_images_are_shifted_and_flipped():
    images = np.zeros((500, 7, 9, 2), "uint8")
    images[:, 2, 3] = 5, 8
    images[:, 4, 5, 0] = 3
    shifts = set()
    for flip, count in ((False, 25), (True, 50)):
        output = augment(images, np.random.default_rng(0), shift=2, flip=flip)
        assert output.dtype == "uint8" and output.shape == images.shape
        for image in output:
            (row, column), other = (np.argwhere(image[..., 0] == value)[0] for value in (5, 3))
            is_flipped = other[1] < column
            shift = row - 2, (8 - column if is_flipped else column) - 3
            assert max(map(abs, shift)) <= 2 and image[row, column, 1] == 8
            assert tuple(other) == (row + 2, column + (-2 if is_flipped else 2))
            shifts.add((*map(int, shift), bool(is_flipped)))
        assert len(shifts) == count


def test_pixels_from_outside_are_zero():
    images = np.full((50, 4, 4, 1), 9, "uint8")
    output = augment(images, np.random.default_rng(0), shift=1)
    counts = {int(np.count_nonzero(image)) for image in output}
    assert counts == {16, 12, 9}
