"""Translation of dates: its quick run, export and batches."""

import keras
import numpy as np
import pytest

from keras_attention.export.checks.fresh_process import run_calls

if keras.backend.backend() != "tensorflow":
    pytest.skip("the examples run on TensorFlow", allow_module_level=True)

from examples import translate_dates


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    directory = tmp_path_factory.mktemp("dates")
    folders = {name: str(directory / name) for name in ("runs", "pictures", "saved_models")}
    accuracy = translate_dates.main(quick=True, **folders)
    return directory, folders, accuracy


def decode(path, *batches):
    """Return the outputs of the exported model for several lists of texts, from one process."""
    inputs = [{"text": np.array([text.encode() for text in texts])} for texts in batches]
    return run_calls(path, [("decode", x) for x in inputs])


def test_the_quick_run_writes_a_picture_and_a_model(quick):
    directory, _, accuracy = quick
    assert 0 <= accuracy <= 1
    assert (directory / "pictures/translate_dates_quick.png").read_bytes()[:4] == b"\x89PNG"
    assert (directory / "saved_models/translate_dates_quick/1/saved_model.pb").exists()


def test_the_export_accepts_any_number_and_length_of_texts(quick):
    directory, *_ = quick
    path = directory / "saved_models/translate_dates_quick/1"
    batches = (["4 Mar 2021", ""], ["", "", ""], ["?" * 300], ["3月5日", "a", "b" * 30])
    for texts, outputs in zip(batches, decode(path, *batches), strict=True):
        assert outputs["date"].shape == (len(texts),)
        sizes = (translate_dates.OUTPUT_LENGTH, translate_dates.ALIGNED_CHARACTERS)
        assert outputs["alignments"].shape == (len(texts), *sizes)
        assert np.isfinite(outputs["alignments"]).all()


def test_a_text_is_translated_equally_alone_and_in_a_batch(quick):
    directory, *_ = quick
    path = directory / "saved_models/translate_dates_quick/1"
    texts = ["4 Mar 2021", "Mittwoch, 3. September 1930", "x"]
    batched, *singles = decode(path, texts, *([text] for text in texts))
    for row, single in enumerate(singles):
        assert single["date"][0] == batched["date"][row]
        np.testing.assert_allclose(
            batched["alignments"][row], single["alignments"][0], atol=1e-5, strict=True
        )


def test_a_second_run_resumes_and_writes_the_next_version(quick, capsys):
    directory, folders, accuracy = quick
    assert translate_dates.main(quick=True, **folders) == accuracy
    assert "Resuming after epoch 2" in capsys.readouterr().out
    assert (directory / "saved_models/translate_dates_quick/2").exists()


def test_four_different_dates_are_chosen_for_the_picture():
    rng = np.random.default_rng(0)
    for languages in (None, {"de", "en", "ja"}, {"en"}):
        samples = translate_dates.Dates(languages).sample(256, rng, split="test")
        assert len(set(translate_dates.choose_examples(samples))) == 4


def test_equal_epochs_give_equal_batches():
    dates = translate_dates.Dates({"en"})
    source = translate_dates.Vocabulary(dates.characters)
    first, second = (
        list(translate_dates.make_batches(dates, source, 3, np.random.default_rng([0, 1])))
        for _ in range(2)
    )
    assert len(first) == 3
    keras.tree.map_structure(np.testing.assert_array_equal, first, second)


@pytest.mark.slow
def test_the_full_run_gets_98_percent_right(tmp_path):
    folders = {name: str(tmp_path / name) for name in ("runs", "pictures", "saved_models")}
    assert translate_dates.main(**folders) >= 0.98
