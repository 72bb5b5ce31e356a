import collections
import os
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_attention import export

if keras.backend.backend() != "tensorflow":
    pytest.skip("the examples run on TensorFlow", allow_module_level=True)

from examples import image_captioning
from examples.captioner import Captioner, caption_cost, penalty
from examples.datasets import digit_grids
from examples.digit_encoder import FEATURES, MAP, cell_of, distort, is_inner, misread

PREPARED = os.environ.get("TFDS_DATA_DIR")
prepared = pytest.mark.skipif(
    not (PREPARED and Path(PREPARED, "mnist", "3.0.1").is_dir()),
    reason="TFDS_DATA_DIR does not name a directory with mnist/3.0.1",
)


CELL_OF = cell_of(MAP)
Found = collections.namedtuple("Found", ["tokens", "alignments"])
SHAPE = MAP * MAP, FEATURES


class Blind:
    """An encoder for a decoder that does not look."""

    def predict_on_batch(self, images):
        return np.zeros((len(images), 1))


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    where = tmp_path_factory.mktemp("captioning")
    folders = {name: str(where / name) for name in ("runs", "pictures", "saved_models")}
    figures = image_captioning.main(variant="hard", quick=True, **folders)
    return where, folders, figures


@prepared
def test_the_quick_run_writes_figures_a_picture_and_a_model(quick):
    where, _, figures = quick
    assert all(0 <= figures[name] <= 1 for name in figures if name != "penalty")
    assert 0 < figures["penalty"] <= MAP * MAP
    assert (where / "runs/image_captioning_hard_quick-seed0/figures.json").exists()
    assert (where / "pictures/captioning_hard_quick.png").read_bytes()[:4] == b"\x89PNG"
    assert (where / "saved_models/image_captioning_hard_quick/1/saved_model.pb").exists()


@prepared
def test_the_export_writes_the_same_caption_alone_and_in_a_batch(quick):
    where, *_ = quick
    path = where / "saved_models/image_captioning_hard_quick/1"
    images = np.random.default_rng(0).integers(256, size=(3, 84, 84, 1), dtype="uint8")
    together = export.run_in_c_loader(path, "decode", {"image": images})
    assert together["attention"].shape == (3, 10, 7, 7)
    for row, image in enumerate(images):
        alone = export.run_in_c_loader(path, "decode", {"image": image[None]})
        assert alone["caption"][0] == together["caption"][row]
        np.testing.assert_allclose(alone["attention"][0], together["attention"][row], atol=1e-5)
        words = alone["caption"][0].decode().split()
        assert set(words) <= set(digit_grids.WORDS)
        np.testing.assert_allclose(alone["attention"][0, : len(words)].sum((1, 2)), 1, atol=1e-5)


@prepared
def test_a_second_run_resumes_both_trainings_and_writes_the_next_version(quick, capsys):
    where, folders, figures = quick
    assert image_captioning.main(variant="hard", quick=True, **folders) == figures
    assert capsys.readouterr().out.count("Resuming after epoch 2") == 2
    assert (where / "saved_models/image_captioning_hard_quick/2").exists()


def test_a_location_belongs_to_the_cell_in_which_its_middle_lies():
    for side in (7, 14):
        for location, cell in enumerate(cell_of(side)):
            y, x = ((place + 0.5) * 84 / side for place in divmod(location, side))
            assert cell == 3 * (y // 28) + x // 28
    assert np.bincount(cell_of(7)).tolist() == [4, 6, 4, 6, 9, 6, 4, 6, 4]
    assert np.bincount(cell_of(14)).tolist() == [25, 20, 25, 20, 16, 20, 25, 20, 25]


def test_the_weight_on_the_right_cell_is_that_of_the_words_own_cell():
    digits = np.array([[-1, -1, 4, -1, -1, -1, -1, -1, 8], [6, *[-1] * 8]])
    alignments = np.zeros((2, 10, 49))
    alignments[0, 0, np.flatnonzero(CELL_OF == 2)[:2]] = 0.4, 0.3
    alignments[0, 0, np.flatnonzero(CELL_OF == 8)[0]] = 0.3
    alignments[0, 1, CELL_OF == 8] = 1 / 4
    alignments[0, 2, CELL_OF == 0] = 1 / 4  # while it writes the end: no word's
    alignments[1, 0, np.flatnonzero(CELL_OF == 1)[3]] = 1
    found = image_captioning.on_right_cell(alignments, digits)
    np.testing.assert_allclose(found, [0.7, 1.0, 0.0])


def test_the_penalty_is_smallest_where_all_locations_are_looked_at_equally():
    alignments = np.zeros((3, 2, 4), "float32")
    alignments[0] = 0.5  # each location: 1 in all
    alignments[1] = 0.25
    alignments[2, :, 1] = 1
    np.testing.assert_allclose(penalty(alignments), [0, 1, 4])


def test_the_cost_of_a_caption_sums_over_its_words_and_not_over_padding():
    logits = np.random.default_rng(0).normal(size=(2, 10, 13)).astype("float32")
    words = digit_grids.encode(np.array([[-1, -1, 4, -1, -1, -1, -1, -1, 8], [6, *[-1] * 8]]))
    likelihood = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    by_hand = [
        -sum(likelihood[row, step, word] for step, word in enumerate(words[row]) if word)
        for row in range(2)
    ]
    np.testing.assert_allclose(caption_cost(words, logits), by_hand, rtol=1e-5)


def features(count, seed=0):
    rng = np.random.default_rng(seed)
    return rng.random((count, *SHAPE)).astype("float32")


def test_the_same_epoch_gives_the_same_batches_and_another_one_others():
    captions = np.random.default_rng(0).integers(1, 13, size=(281, 10), dtype="int32")

    def drawn(epoch):
        rng = np.random.default_rng([0, epoch])
        return list(image_captioning.batches(features(281), captions, 3, rng))

    first, same, other = drawn(1), drawn(1), drawn(2)
    assert len(first) == 3
    keras.tree.map_structure(np.testing.assert_array_equal, first, same)
    assert (first[0][1] != other[0][1]).numpy().any()
    for (given, before), words in first:
        rows = [np.flatnonzero((captions == row).all(axis=1))[0] for row in words.numpy()]
        np.testing.assert_allclose(given, features(281)[rows].astype("float16"), atol=1e-3)
        np.testing.assert_array_equal(before, digit_grids.shifted(captions[rows]))


@pytest.mark.parametrize("hard", [False, True])
def test_decoding_step_by_step_is_what_the_training_model_computes(hard):
    network = Captioner(SHAPE, 16, hard=hard, seed=1)
    rng = np.random.default_rng(4)  # of the few that do not say one word again and again
    for weight in network.model.trainable_variables:
        weight.assign(rng.normal(size=weight.shape))
    network.embed.embeddings.assign(2 * rng.normal(size=network.embed.embeddings.shape))
    network.annotate.kernel.assign(0.1 * network.annotate.kernel)
    network.logits.bias.assign(np.where(np.arange(13) <= digit_grids.START, -40.0, 0.0))
    found = network.greedy(features(3))
    assert len(np.unique(found.tokens)) > 3
    logits = network.model([features(3), digit_grids.shifted(np.array(found.tokens))])
    likelihoods = keras.ops.log_softmax(logits)
    for row, length in enumerate(found.lengths):
        chosen = np.argmax(logits[row, :length], axis=-1)
        np.testing.assert_array_equal(chosen, found.tokens[row, :length])
        score = np.max(likelihoods[row, :length], axis=-1).sum()
        assert float(found.scores[row]) == pytest.approx(score, rel=1e-4)


def test_the_penalty_is_added_to_the_loss_of_real_steps_only():
    with_penalty = Captioner(SHAPE, 16, penalty_weight=0.5)
    without = Captioner(SHAPE, 16, penalty_weight=0.0)
    without.model.set_weights(with_penalty.model.get_weights())
    captions = digit_grids.encode(np.array([[3, *[-1] * 8], [4, 2, *[-1] * 7]]))
    inputs = features(2), digit_grids.shifted(captions)
    losses = []
    for network in (with_penalty, without):
        network.model.compile(loss=caption_cost, run_eagerly=True)
        losses.append(network.model.evaluate(inputs, captions, verbose=0))
    # Weights are nearly even at first: 2 and 3 words, ends included, over 49 locations.
    even = np.mean([49 * (1 - count / 49) ** 2 for count in (2, 3)])
    assert losses[0] - losses[1] == pytest.approx(0.5 * even, rel=0.01)


def test_each_variant_leaves_out_what_its_name_says():
    captions = digit_grids.encode(np.array([[3, *[-1] * 8], [4, 2, *[-1] * 7]]))
    parts = {}
    for name, options in image_captioning.VARIANTS.items():
        network = Captioner(SHAPE, 16, seed=1, **options)
        model, attention = network.model, network.decoder.attention
        model.compile("adam", caption_cost, run_eagerly=True)
        model.train_on_batch((features(2), digit_grids.shifted(captions)), captions)
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


def test_a_caption_of_no_word_is_drawn(tmp_path):
    def caption(images):
        maps = tf.ones((len(images), 10, MAP, MAP)) / MAP**2
        return {"caption": tf.constant(["", "one two"]), "attention": maps}

    image_captioning.draw(caption, np.ones((2, 84, 84, 1), "uint8"), tmp_path / "drawn.png")
    assert (tmp_path / "drawn.png").read_bytes()[:4] == b"\x89PNG"


def test_digits_are_distorted_one_by_one_and_the_same_again():
    stroke = np.zeros((5001, 28, 28), "uint8")
    stroke[:, 6:22, 12:16] = 255
    found = distort(stroke, 0)
    assert found.shape == stroke.shape and found.dtype == "uint8"
    np.testing.assert_array_equal(found, distort(stroke, 0))
    assert (found != distort(stroke, 1)).any()
    # Still a stroke in the middle: as heavy as 10 % either way of both sides allow, not moved.
    heavy = found.sum(axis=(1, 2)) / stroke[0].sum()
    assert 0.75 < heavy.min() < 0.9 and 1.1 < heavy.max() < 1.3
    middles = (found.sum(axis=2) @ np.arange(28)) / found.sum(axis=(1, 2))
    np.testing.assert_allclose(middles, 13.5, atol=0.6)
    # How much it is turned says nothing of how much it is zoomed.
    tops = found[:, :14, :].sum(axis=1, dtype="int64") @ np.arange(28)
    tops = tops / found[:, :14].sum(axis=(1, 2))
    assert tops.std() > 0.3
    assert abs(np.corrcoef(tops, heavy)[0, 1]) < 0.1


def test_digits_misread_are_those_of_other_labels_in_the_middle_of_their_cell():
    digits = np.full((2, 9), -1)
    digits[0, 0], digits[0, 4], digits[1, 8] = 3, 0, 9
    maps = digits[:, cell_of(14)].reshape(2, 14, 14) + 1
    maps[:, ~is_inner()] = 5  # counts for nothing
    told = maps.copy()
    told[0][cell_of(14).reshape(14, 14) == 4] = 0
    told[1][cell_of(14).reshape(14, 14) == 0] = 7  # where there is no digit

    class Classifier:
        def predict(self, images, **_):
            return np.eye(11)[images]

    assert misread(Classifier(), maps, digits) == 0
    assert misread(Classifier(), told, digits) == pytest.approx(1 / 3)


def test_the_figures_of_a_decoder_that_reads_all_but_one_picture_right():
    rng = np.random.default_rng(0)
    noise = rng.integers(256, size=(30, 28, 28), dtype="uint8")
    images, digits = digit_grids.draw_grids(noise, np.arange(30) % 10, 500, rng)
    tokens, cells = digit_grids.encode(digits), digit_grids.reading_order(digits)
    alignments = np.zeros((500, 10, MAP * MAP), "float32")
    for row, order in enumerate(cells):
        for step in range((order >= 0).sum()):
            alignments[row, step, CELL_OF == order[step]] = 1 / (CELL_OF == order[step]).sum()
    tokens[7, 0] = digit_grids.WORDS.index("nine") if tokens[7, 0] == 3 else 3
    alignments[7, 0] = 0  # it looked at all of the nine cells
    alignments[7, 0, [np.flatnonzero(CELL_OF == cell)[0] for cell in range(9)]] = 1 / 9
    alignments[8, 0] = 0  # as after an end that came too early
    found = image_captioning.figures_of(
        Blind(), lambda features: Found(tokens, alignments), images, digits
    )
    words = (digits >= 0).sum()
    assert found["sequences right"] == pytest.approx(499 / 500)
    # Of equally large ones each counts for its share.
    assert found["largest weight on the right cell"] == pytest.approx((words - 2 + 1 / 9) / words)
    assert found["most weight on the right cell"] == pytest.approx((words - 2) / words)
    assert found["weight on the right cell"] == pytest.approx((words - 1 - 8 / 9) / words)


@pytest.mark.slow
@prepared
def test_the_whole_run_writes_95_percent_right_and_looks_where_it_reads(tmp_path):
    folders = {name: str(tmp_path / name) for name in ("runs", "pictures", "saved_models")}
    figures = image_captioning.main(**folders)
    assert figures["sequences right"] > 0.95
    assert figures["largest weight on the right cell"] > 0.9
