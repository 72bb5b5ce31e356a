"""What the repository publishes is whole, and does on a small sample what its manifest says."""

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
    not os.environ.get("TFDS_DATA_DIR"), reason="TFDS_DATA_DIR has the real data"
)


def ask(name, signature, inputs):
    return export.run_in_c_loader(version(name), signature, inputs)


def version(name):
    return SAVED_MODELS / name / str(MANIFEST[name]["version"])


def assert_no_worse(right, stated):
    """The share of a sample that is right is at most four standard errors below the stated one."""
    share, error = np.mean(right), np.sqrt(stated * (1 - stated) / len(right))
    assert share >= stated - 4 * error - 1 / len(right)


def test_every_kind_of_example_is_published():
    kinds = {"translate_dates", "pointer_hull", "ntm_copy", "image_captioning_soft"}
    assert set(MANIFEST) == {*kinds, "text_classification"}


@pytest.mark.parametrize("name", MANIFEST)
def test_a_published_export_is_what_the_manifest_says(name):
    entry = MANIFEST[name]
    assert manifest.digests(version(name)) == entry["sha256"]
    size = sum(path.stat().st_size for path in manifest.files(version(name)))
    assert size == entry["bytes"] < manifest.MAX_EXPORT_BYTES
    assert entry["command"].startswith("python examples/") and entry["versions"]["keras"]
    assert isinstance(entry["seed"], int)


@pytest.mark.parametrize("name", MANIFEST)
def test_a_published_export_is_the_one_that_was_checked_when_it_was_written(name):
    assert (version(name) / "assets.extra/SHA256SUMS").exists()
    assert export.check(version(name))[1] == []


def test_dates_are_translated():
    rng = np.random.default_rng(3)
    texts, isos, _ = zip(*Dates().sample(150, rng, split="test"), strict=True)
    found = ask("translate_dates", "decode", {"text": np.array([text.encode() for text in texts])})
    right = [iso == date.decode() for iso, date in zip(isos, found["date"], strict=True)]
    assert_no_worse(right, MANIFEST["translate_dates"]["exactly right"])
    assert found["alignments"].shape[:2] == (150, translate_dates.OUTPUT_LENGTH)


def test_hulls_are_pointed_out():
    points = geometry.draw_points(np.random.default_rng(3), 200, 5)
    given = {"points": points.astype("float32"), "lengths": np.full(200, 5, "int32")}
    found = ask("pointer_hull", "decode", given)["indices"][:, :5]
    right = (geometry.from_smallest(found) == geometry.hull(points)).all(axis=1)
    stated = MANIFEST["pointer_hull"]["figures"]["n = 5"]
    assert_no_worse(right, stated["beam of 3"]["accuracy"])


def test_sequences_are_copied():
    rng = np.random.default_rng(3)
    inputs, targets = algorithms.episodes(algorithms.copy, 30, rng, 41)
    found = ask("ntm_copy", "serving_default", {"sequence": inputs})["probabilities"]
    asked = targets != algorithms.NOTHING
    right = (((found > 0.5) == (targets > 0.5)) | ~asked).all(axis=(1, 2))
    assert_no_worse(right, MANIFEST["ntm_copy"]["sequences all right"])


@needs_data
def test_pictures_are_captioned():
    rng = np.random.default_rng(3)
    images, digits = digit_grids.draw_grids(*digit_grids.mnist("test"), 100, rng)
    found = ask("image_captioning_soft", "decode", {"image": images})
    captions = [
        " ".join(digit_grids.WORDS[word] for word in row).split()
        for row in digit_grids.encode(digits)
    ]
    written = [text.decode().split() for text in found["caption"]]
    right = [one == other for one, other in zip(captions, written, strict=True)]
    assert_no_worse(right, MANIFEST["image_captioning_soft"]["test"]["sequences right"])


@needs_data
def test_reviews_are_told_apart():
    reviews = tfds.as_numpy(tfds.load("imdb_reviews", split="test[:150]", batch_size=-1))
    found = ask("text_classification", "classify", {"text": reviews["text"]})
    right = (found["liked"] > 0.5) == (reviews["label"] == 1)
    assert_no_worse(right, MANIFEST["text_classification"]["test accuracy"])
