"""Image captioning: its quick run, figures, losses, variants and image encoder."""

import collections
import os
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_attention.export.checks.fresh_process import run_calls

if keras.backend.backend() != "tensorflow":
    pytest.skip("the examples run on TensorFlow", allow_module_level=True)

from examples import image_captioning
from examples.captioner import Captioner, compute_caption_cost, compute_penalty
from examples.datasets import digit_grids
from examples.digit_encoder import (
    FEATURES,
    MAP,
    distort,
    is_inner,
    locate_cells,
    measure_error_rate,
)

PREPARED = os.environ.get("TFDS_DATA_DIR")
prepared = pytest.mark.skipif(
    not (PREPARED and Path(PREPARED, "mnist", "3.0.1").is_dir()),
    reason="TFDS_DATA_DIR has no mnist/3.0.1",
)


CELL_OF = locate_cells(MAP)
Decoded = collections.namedtuple("Decoded", ["tokens", "alignments"])
SHAPE = MAP * MAP, FEATURES


class EmptyEncoder:
    """An encoder for a decoder that ignores its features."""

    def predict_on_batch(self, images):
        return np.zeros((len(images), 1))


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    directory = tmp_path_factory.mktemp("captioning")
    folders = {name: str(directory / name) for name in ("runs", "pictures", "saved_models")}
    figures = image_captioning.main(variant="hard", quick=True, **folders)
    return directory, folders, figures


@prepared
def test_the_quick_run_writes_figures_a_picture_and_a_model(quick):
    directory, _, figures = quick
    assert all(0 <= figures[name] <= 1 for name in figures if name != "penalty")
    assert 0 < figures["penalty"] <= MAP * MAP
    assert (directory / "runs/image_captioning_hard_quick-seed0/figures.json").exists()
    assert (directory / "pictures/captioning_hard_quick.png").read_bytes()[:4] == b"\x89PNG"
    assert (directory / "saved_models/image_captioning_hard_quick/1/saved_model.pb").exists()


@prepared
def test_the_export_gives_the_same_caption_alone_and_in_a_batch(quick):
    directory, *_ = quick
    path = directory / "saved_models/image_captioning_hard_quick/1"
    images = np.random.default_rng(0).integers(256, size=(3, 84, 84, 1), dtype="uint8")
    inputs = [{"image": images}, *({"image": image[None]} for image in images)]
    batched, *singles = run_calls(path, [("decode", x) for x in inputs])
    assert batched["attention"].shape == (3, 10, 7, 7)
    for row, single in enumerate(singles):
        assert single["caption"][0] == batched["caption"][row]
        np.testing.assert_allclose(single["attention"][0], batched["attention"][row], atol=1e-5)
        words = single["caption"][0].decode().split()
        assert set(words) <= set(digit_grids.WORDS)
        np.testing.assert_allclose(single["attention"][0, : len(words)].sum((1, 2)), 1, atol=1e-5)


@prepared
@pytest.mark.ci
def test_a_second_run_resumes_both_trainings_and_exports_again(quick, capsys, recorded_exports):
    directory, folders, figures = quick
    assert image_captioning.main(variant="hard", quick=True, **folders) == figures
    assert capsys.readouterr().out.count("Resuming after epoch 2") == 2
    assert recorded_exports == [directory / "saved_models/image_captioning_hard_quick"]


def test_a_location_belongs_to_the_cell_that_contains_its_center():
    for side in (7, 14):
        for location, cell in enumerate(locate_cells(side)):
            y, x = ((place + 0.5) * 84 / side for place in divmod(location, side))
            assert cell == 3 * (y // 28) + x // 28
    assert np.bincount(locate_cells(7)).tolist() == [4, 6, 4, 6, 9, 6, 4, 6, 4]
    assert np.bincount(locate_cells(14)).tolist() == [25, 20, 25, 20, 16, 20, 25, 20, 25]


def test_the_weight_on_the_right_cell_is_that_on_the_cell_of_the_word():
    digits = np.array([[-1, -1, 4, -1, -1, -1, -1, -1, 8], [6, *[-1] * 8]])
    alignments = np.zeros((2, 10, 49))
    alignments[0, 0, np.flatnonzero(CELL_OF == 2)[:2]] = 0.4, 0.3
    alignments[0, 0, np.flatnonzero(CELL_OF == 8)[0]] = 0.3
    alignments[0, 1, CELL_OF == 8] = 1 / 4
    alignments[0, 2, CELL_OF == 0] = 1 / 4  # the step of the end mark: not a word
    alignments[1, 0, np.flatnonzero(CELL_OF == 1)[3]] = 1
    weights = image_captioning.sum_on_right_cell(alignments, digits)
    np.testing.assert_allclose(weights, [0.7, 1.0, 0.0])


def test_the_penalty_is_zero_for_equal_total_weights():
    alignments = np.zeros((3, 2, 4), "float32")
    alignments[0] = 0.5  # each location has a total of 1
    alignments[1] = 0.25
    alignments[2, :, 1] = 1
    np.testing.assert_allclose(compute_penalty(alignments), [0, 1, 4])


def test_the_cost_of_a_caption_leaves_out_padding():
    logits = np.random.default_rng(0).normal(size=(2, 10, 13)).astype("float32")
    words = digit_grids.encode(np.array([[-1, -1, 4, -1, -1, -1, -1, -1, 8], [6, *[-1] * 8]]))
    log_probabilities = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    expected = [
        -sum(log_probabilities[row, step, word] for step, word in enumerate(words[row]) if word)
        for row in range(2)
    ]
    np.testing.assert_allclose(compute_caption_cost(words, logits), expected, rtol=1e-5)


def random_features(count, seed=0):
    rng = np.random.default_rng(seed)
    return rng.random((count, *SHAPE)).astype("float32")


def test_only_equal_epochs_give_equal_batches():
    captions = np.random.default_rng(0).integers(1, 13, size=(281, 10), dtype="int32")

    def epoch_batches(epoch):
        rng = np.random.default_rng([0, epoch])
        return list(image_captioning.make_batches(random_features(281), captions, 3, rng))

    first, second, other = epoch_batches(1), epoch_batches(1), epoch_batches(2)
    assert len(first) == 3
    keras.tree.map_structure(np.testing.assert_array_equal, first, second)
    assert (first[0][1] != other[0][1]).numpy().any()
    for (batch_features, previous), words in first:
        rows = [np.flatnonzero((captions == row).all(axis=1))[0] for row in words.numpy()]
        np.testing.assert_allclose(
            batch_features, random_features(281)[rows].astype("float16"), atol=1e-3
        )
        np.testing.assert_array_equal(previous, digit_grids.shift_right(captions[rows]))


@pytest.mark.parametrize("hard", [False, True])
def test_decoding_steps_equal_the_training_model(hard):
    network = Captioner(SHAPE, 16, hard=hard, seed=1)
    rng = np.random.default_rng(4)  # one of the few seeds whose captions do not repeat one word
    for weight in network.model.trainable_variables:
        weight.assign(rng.normal(size=weight.shape))
    network.embed.embeddings.assign(2 * rng.normal(size=network.embed.embeddings.shape))
    network.annotate.kernel.assign(0.1 * network.annotate.kernel)
    network.logits.bias.assign(np.where(np.arange(13) <= digit_grids.START, -40.0, 0.0))
    decoded = network.greedy(random_features(3))
    assert len(np.unique(decoded.tokens)) > 3
    logits = network.model([random_features(3), digit_grids.shift_right(np.array(decoded.tokens))])
    log_probabilities = keras.ops.log_softmax(logits)
    for row, length in enumerate(decoded.lengths):
        chosen = np.argmax(logits[row, :length], axis=-1)
        np.testing.assert_array_equal(chosen, decoded.tokens[row, :length])
        score = np.max(log_probabilities[row, :length], axis=-1).sum()
        assert float(decoded.scores[row]) == pytest.approx(score, rel=1e-4)


def test_the_penalty_leaves_out_padded_steps():
    with_penalty = Captioner(SHAPE, 16, penalty_weight=0.5)
    without_penalty = Captioner(SHAPE, 16, penalty_weight=0.0)
    without_penalty.model.set_weights(with_penalty.model.get_weights())
    captions = digit_grids.encode(np.array([[3, *[-1] * 8], [4, 2, *[-1] * 7]]))
    inputs = random_features(2), digit_grids.shift_right(captions)
    losses = []
    for network in (with_penalty, without_penalty):
        network.model.compile(loss=compute_caption_cost, run_eagerly=True)
        losses.append(network.model.evaluate(inputs, captions, verbose=0))
    # Untrained weights are nearly uniform: 2 and 3 words, ends included, over 49 locations.
    uniform = np.mean([49 * (1 - count / 49) ** 2 for count in (2, 3)])
    assert losses[0] - losses[1] == pytest.approx(0.5 * uniform, rel=0.01)


def test_each_variant_omits_the_part_in_its_name():
    captions = digit_grids.encode(np.array([[3, *[-1] * 8], [4, 2, *[-1] * 7]]))
    parts = {}
    for name, options in image_captioning.VARIANTS.items():
        network = Captioner(SHAPE, 16, seed=1, **options)
        model, attention = network.model, network.decoder.attention
        model.compile("adam", compute_caption_cost, run_eagerly=True)
        model.train_on_batch((random_features(2), digit_grids.shift_right(captions)), captions)
        weight = next(layer.weight for layer in model.layers if hasattr(layer, "weight"))
        parts[name] = {
            "penalty": weight,
            "baseline": float(getattr(model, "baseline", 0.0)) < 0,
            "entropy": getattr(model, "entropy_weight", 0.0),
            "mixing": getattr(attention, "expectation_rate", 0.0),
        }
    soft = {"penalty": 0.002, "baseline": False, "entropy": 0.0, "mixing": 0.0}
    hard = {"penalty": 0.002, "baseline": True, "entropy": 0.002, "mixing": 0.5}
    assert parts == {
        "soft": soft,
        "soft-no-penalty": {**soft, "penalty": 0.0},
        "hard": hard,
        "hard-no-baseline": {**hard, "baseline": False},
        "hard-no-entropy": {**hard, "entropy": 0.0},
        "hard-no-mixing": {**hard, "mixing": 0.0},
    }


def test_an_empty_caption_is_drawn(tmp_path):
    def caption(images):
        maps = tf.ones((len(images), 10, MAP, MAP)) / MAP**2
        return {"caption": tf.constant(["", "one two"]), "attention": maps}

    image_captioning.draw(caption, np.ones((2, 84, 84, 1), "uint8"), tmp_path / "captions.png")
    assert (tmp_path / "captions.png").read_bytes()[:4] == b"\x89PNG"


def test_digits_are_distorted_independently_and_reproducibly():
    stroke = np.zeros((5001, 28, 28), "uint8")
    stroke[:, 6:22, 12:16] = 255
    distorted = distort(stroke, 0)
    assert distorted.shape == stroke.shape and distorted.dtype == "uint8"
    np.testing.assert_array_equal(distorted, distort(stroke, 0))
    assert (distorted != distort(stroke, 1)).any()
    # The mass changes by as much as scaling both sides by 10 % allows, the center stays.
    mass = distorted.sum(axis=(1, 2)) / stroke[0].sum()
    assert 0.75 < mass.min() < 0.9 and 1.1 < mass.max() < 1.3
    centers = (distorted.sum(axis=2) @ np.arange(28)) / distorted.sum(axis=(1, 2))
    np.testing.assert_allclose(centers, 13.5, atol=0.6)
    # Rotation, which moves the top of the stroke, is not correlated with scaling.
    tops = distorted[:, :14, :].sum(axis=1, dtype="int64") @ np.arange(28)
    tops = tops / distorted[:, :14].sum(axis=(1, 2))
    assert tops.std() > 0.3
    assert abs(np.corrcoef(tops, mass)[0, 1]) < 0.1


def test_the_error_rate_counts_wrong_labels_in_the_middle_of_a_cell():
    digits = np.full((2, 9), -1)
    digits[0, 0], digits[0, 4], digits[1, 8] = 3, 0, 9
    maps = digits[:, locate_cells(14)].reshape(2, 14, 14) + 1
    maps[:, ~is_inner()] = 5  # must not count
    wrong = maps.copy()
    wrong[0][locate_cells(14).reshape(14, 14) == 4] = 0
    wrong[1][locate_cells(14).reshape(14, 14) == 0] = 7  # an empty cell, which does not count

    class Classifier:
        def predict(self, images, **_):
            return np.eye(11)[images]

    assert measure_error_rate(Classifier(), maps, digits) == 0
    assert measure_error_rate(Classifier(), wrong, digits) == pytest.approx(1 / 3)


def test_the_figures_of_a_decoder_with_one_wrong_caption():
    rng = np.random.default_rng(0)
    noise = rng.integers(256, size=(30, 28, 28), dtype="uint8")
    images, digits = digit_grids.sample_grids(noise, np.arange(30) % 10, 500, rng)
    tokens, cells = digit_grids.encode(digits), digit_grids.locate_words(digits)
    alignments = np.zeros((500, 10, MAP * MAP), "float32")
    for row, order in enumerate(cells):
        for step in range((order >= 0).sum()):
            alignments[row, step, CELL_OF == order[step]] = 1 / (CELL_OF == order[step]).sum()
    tokens[7, 0] = digit_grids.WORDS.index("nine") if tokens[7, 0] == 3 else 3
    alignments[7, 0] = 0  # then equal weights on the nine cells
    alignments[7, 0, [np.flatnonzero(CELL_OF == cell)[0] for cell in range(9)]] = 1 / 9
    alignments[8, 0] = 0  # as after an end mark that is too early
    figures = image_captioning.evaluate(
        EmptyEncoder(), lambda features: Decoded(tokens, alignments), images, digits
    )
    words = (digits >= 0).sum()
    assert figures["sequences right"] == pytest.approx(499 / 500)
    # Each of the nine equal weights counts for its share.
    assert figures["largest weight on the right cell"] == pytest.approx((words - 2 + 1 / 9) / words)
    assert figures["most weight on the right cell"] == pytest.approx((words - 2) / words)
    assert figures["weight on the right cell"] == pytest.approx((words - 1 - 8 / 9) / words)


@pytest.mark.slow
@prepared
def test_the_full_run_gets_95_percent_right_and_attends_to_the_digits(tmp_path):
    folders = {name: str(tmp_path / name) for name in ("runs", "pictures", "saved_models")}
    figures = image_captioning.main(**folders)
    assert figures["sequences right"] > 0.95
    assert figures["largest weight on the right cell"] > 0.9
