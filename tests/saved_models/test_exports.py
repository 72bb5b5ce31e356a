"""The published exports are complete, and reach the manifest's accuracy on a small sample."""

import os
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow_datasets as tfds

from keras_attention import export

if keras.backend.backend() != "tensorflow":
    pytest.skip("the examples run on TensorFlow", allow_module_level=True)

from examples import manifest, translate_dates
from examples.datasets import algorithms, digit_grids, geometry
from examples.datasets.dates import Dates

SAVED_MODELS = Path(__file__).resolve().parents[2] / "saved_models"
MANIFEST = manifest.read(SAVED_MODELS)
needs_data = pytest.mark.skipif(
    not os.environ.get("TFDS_DATA_DIR"), reason="TFDS_DATA_DIR is not set"
)


def run(name, signature, inputs):
    return export.run_in_c_loader(find_version(name), signature, inputs)


def find_version(name):
    return SAVED_MODELS / name / str(MANIFEST[name]["version"])


def assert_not_worse(is_right, stated):
    """Assert that the accuracy is at most four standard errors below the stated one."""
    accuracy, error = np.mean(is_right), np.sqrt(stated * (1 - stated) / len(is_right))
    assert accuracy >= stated - 4 * error - 1 / len(is_right)


def test_every_kind_of_example_is_published():
    kinds = {"translate_dates", "pointer_hull", "ntm_copy", "image_captioning_soft"}
    assert set(MANIFEST) == {*kinds, "text_classification"}


@pytest.mark.parametrize("name", MANIFEST)
def test_a_published_export_is_the_one_in_the_manifest(name):
    entry = MANIFEST[name]
    assert manifest.compute_digests(find_version(name)) == entry["sha256"]
    size = sum(path.stat().st_size for path in manifest.list_files(find_version(name)))
    assert size == entry["bytes"] < manifest.MAX_EXPORT_BYTES
    assert entry["command"].startswith("python examples/") and entry["versions"]["keras"]
    assert isinstance(entry["seed"], int)


@pytest.mark.parametrize("name", MANIFEST)
def test_a_published_export_has_no_problems(name):
    assert (find_version(name) / "assets.extra/SHA256SUMS").exists()
    assert export.check(find_version(name))[1] == []


def test_dates_are_translated():
    rng = np.random.default_rng(3)
    texts, isos, _ = zip(*Dates().sample(150, rng, split="test"), strict=True)
    inputs = {"text": np.array([text.encode() for text in texts])}
    answer = run("translate_dates", "decode", inputs)
    is_right = [iso == date.decode() for iso, date in zip(isos, answer["date"], strict=True)]
    assert_not_worse(is_right, MANIFEST["translate_dates"]["exactly right"])
    assert answer["alignments"].shape[:2] == (150, translate_dates.OUTPUT_LENGTH)


def test_convex_hulls_are_found():
    points = geometry.sample_points(np.random.default_rng(3), 200, 5)
    inputs = {"points": points.astype("float32"), "lengths": np.full(200, 5, "int32")}
    indices = run("pointer_hull", "decode", inputs)["indices"][:, :5]
    is_right = (geometry.rotate_to_smallest(indices) == geometry.hull(points)).all(axis=1)
    stated = MANIFEST["pointer_hull"]["figures"]["n = 5"]
    assert_not_worse(is_right, stated["beam of 3"]["accuracy"])


def test_sequences_are_copied():
    rng = np.random.default_rng(3)
    inputs, targets = algorithms.make_batch(algorithms.copy, 30, rng, 41)
    probabilities = run("ntm_copy", "serving_default", {"sequence": inputs})["probabilities"]
    is_target = targets != algorithms.NOTHING
    is_right = (((probabilities > 0.5) == (targets > 0.5)) | ~is_target).all(axis=(1, 2))
    assert_not_worse(is_right, MANIFEST["ntm_copy"]["sequences all right"])


@needs_data
def test_images_are_captioned():
    rng = np.random.default_rng(3)
    images, digits = digit_grids.sample_grids(*digit_grids.load_mnist("test"), 100, rng)
    answer = run("image_captioning_soft", "decode", {"image": images})
    captions = [
        " ".join(digit_grids.WORDS[word] for word in row).split()
        for row in digit_grids.encode(digits)
    ]
    answered = [text.decode().split() for text in answer["caption"]]
    is_right = [caption == expected for caption, expected in zip(answered, captions, strict=True)]
    assert_not_worse(is_right, MANIFEST["image_captioning_soft"]["test"]["sequences right"])


@needs_data
def test_reviews_are_classified():
    reviews = tfds.as_numpy(tfds.load("imdb_reviews", split="test[:150]", batch_size=-1))
    answer = run("text_classification", "classify", {"text": reviews["text"]})
    is_right = (answer["liked"] > 0.5) == (reviews["label"] == 1)
    assert_not_worse(is_right, MANIFEST["text_classification"]["test accuracy"])
