"""The translation example: its quick run, splitting, batches and perplexity."""

import os

import keras
import numpy as np
import pytest

if keras.backend.backend() != "tensorflow":
    pytest.skip("the examples run on TensorFlow", allow_module_level=True)

from examples import translate, translation, translation_batches, translation_export
from examples.datasets.words import Words, split
from keras_attention import export

PAIRS = [(["ein", "hund", "."], ["a", "dog", "."]), (["ja"] * 20, ["yes"] * 18)] * 140


@pytest.mark.skipif(not os.environ.get("TFDS_DATA_DIR"), reason="TFDS_DATA_DIR is not set")
@pytest.mark.parametrize("model", ["shallow", pytest.param("gnmt", marks=pytest.mark.slow)])
def test_the_quick_run_trains_translates_draws_and_exports(model, tmp_path):
    folders = {name: str(tmp_path / name) for name in ("runs", "pictures", "saved_models")}
    figures = translate.main(model, quick=True, **folders)
    assert figures["test perplexity"] < 1000  # of 1,200 words, after a single epoch
    name = "translate_gnmt_quick" if model == "gnmt" else "translate_additive_quick"
    assert (tmp_path / f"pictures/{name}.png").exists()
    path = tmp_path / f"saved_models/{name}/1"
    for texts in ([b"Ein Hund."], [b"", "Öl, d'accord?".encode()], [b"x " * 90] * 3):
        outputs = export.run_in_c_loader(path, "decode", {"text": np.array(texts)})
        assert outputs["text"].shape == (len(texts),)


def test_words_are_split_in_the_graph_as_in_training():
    texts = ["Ein Hund läuft!", "d'accord, Ball-Spiel -- 3,5 'so'", "ÄÖÜ ist_da ’s  x"]
    texts += ["ein\u00a0Hund\u2009x\n y", ""]
    for text, words in zip(texts, translation_export.split_in_graph(texts).to_list(), strict=True):
        assert [word.decode() for word in words] == split(text)


def test_sentences_of_similar_length_share_a_batch():
    german, english = (Words(side) for side in zip(*PAIRS, strict=True))
    batches = list(
        translation_batches.make_batches(PAIRS, german, english, np.random.default_rng(0))
    )
    shapes = sorted(tuple(source.shape) for (source, _), _ in batches)
    assert shapes == [(translation_batches.BATCH, 12), (translation_batches.BATCH, 22)]
    for (_, shifted), target in batches:
        shifted, target = shifted.numpy(), target.numpy()
        assert (shifted[:, 0] == Words.start).all()
        np.testing.assert_array_equal(shifted[:, 1:4], target[:, :3])
        assert ((target == Words.end).sum(axis=1) == 1).all()


def test_perplexity_counts_each_word_once_and_no_padding():
    def uniform(inputs, target):
        return translation.sum_cross_entropy(keras.ops.zeros((*target.shape, 8)), target)

    german, english = (Words(side) for side in zip(*PAIRS, strict=True))
    assert translation.compute_perplexity(uniform, PAIRS, german, english) == pytest.approx(8)
