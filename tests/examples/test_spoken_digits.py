"""Utterances of connected digits: their words, boundaries, splits and errors."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from examples.datasets import spoken_digits
from examples.datasets.spoken_digits import (
    MAX_SILENCE,
    RATE,
    SPEAKERS,
    WORDS,
    count_errors,
    draw_utterance,
    group_by_speaker,
    pad_samples,
    parse_recording,
    split,
)

PREPARED = os.environ.get("TFDS_DATA_DIR")
prepared = pytest.mark.skipif(
    not (PREPARED and Path(PREPARED, "spoken_digit").is_dir()),
    reason="TFDS_DATA_DIR does not name a directory with spoken_digit",
)


def make_recordings(indices=12):
    """Return recordings whose samples, all equal, tell the digit and the speaker."""
    return [
        parse_recording(
            f"{digit}_{speaker}_{index}.wav",
            np.full(900 + 50 * digit, 1000 * (10 * number + digit)),
        )
        for number, speaker in enumerate(SPEAKERS, start=1)
        for digit in range(10)
        for index in range(indices)
    ]


def identify(recordings):
    return {(r.digit, r.speaker, r.index) for r in recordings}


def test_parts_share_no_recording_and_the_first_five_are_the_test():
    parts = split(make_recordings())
    assert {part: len(parts[part]) for part in parts} == {
        "train": 100,
        "validation": 250,
        "test": 250,
    }
    assert {r.index for r in parts["test"]} == set(range(5))
    assert {r.index for r in parts["validation"]} == set(range(5, 10))
    assert len(set.union(*map(identify, parts.values()))) == 600


def test_a_speaker_who_is_held_out_is_the_whole_test():
    parts = split(make_recordings(), "theo")
    assert {r.speaker for r in parts["test"]} == {"theo"}
    assert len(parts["test"]) == 120
    for part in ("train", "validation"):
        assert {r.speaker for r in parts[part]} == set(SPEAKERS) - {"theo"}
    assert 0 not in {r.index for r in parts["train"]}
    with pytest.raises(ValueError, match="held_out='x'"):
        split([], "x")


def test_an_utterance_has_the_words_of_one_speaker_at_its_boundaries(monkeypatch):
    monkeypatch.setattr(spoken_digits, "GAINS", (1.0, 1.0))
    monkeypatch.setattr(spoken_digits, "SIGNAL_TO_NOISE", (200.0, 200.0))
    speakers, rng = group_by_speaker(make_recordings()), np.random.default_rng(0)
    counts, drawn_speakers, silences = set(), set(), []
    for _ in range(300):
        utterance = draw_utterance(speakers, rng)
        assert utterance.samples.dtype == "float32"
        assert utterance.text == " ".join(WORDS[digit] for digit in utterance.digits)
        levels = {}
        silent = np.ones(len(utterance.samples), bool)
        for digit, (start, end) in zip(utterance.digits, utterance.boundaries, strict=True):
            level = np.unique(np.round(utterance.samples[start:end] * 2**15 / 1000, 3))
            levels[digit] = level.item() - digit
            assert end - start == 900 + 50 * digit
            silent[start:end] = False
        assert len(set(levels.values())) == 1
        np.testing.assert_allclose(utterance.samples[silent], 0, atol=1e-6)
        edges = [0, *utterance.boundaries.ravel(), len(silent)]
        silences += list(np.diff(edges)[::2])
        counts.add(len(utterance.digits))
        drawn_speakers.add(levels.popitem()[1])
    assert counts == {1, 2, 3, 4, 5}
    assert drawn_speakers == {10, 20, 30, 40, 50}
    assert 0 <= min(silences) < 0.02 * RATE
    assert 0.9 * MAX_SILENCE * RATE < max(silences) <= MAX_SILENCE * RATE


def test_gain_and_noise_are_drawn():
    recordings = [r for r in make_recordings() if (r.digit, r.speaker) == (0, "theo")]
    rng, gains, ratios = np.random.default_rng(0), [], []
    for _ in range(200):
        utterance = draw_utterance({"theo": recordings}, rng, counts=(1, 1))
        [(start, end)] = utterance.boundaries
        word = utterance.samples[start:end].astype("float64")
        gains.append(word.mean() / recordings[0].samples[0])
        # The noise is relative to the whole utterance, whose silences lower its level.
        level = np.sqrt(len(word) / len(utterance.samples)) * word.mean()
        ratios.append(20 * np.log10(level / word.std()))
    assert 0.49 < min(gains) < 0.55 and 1.8 < max(gains) < 2.02
    assert 19.5 < min(ratios) < 21 and 39 < max(ratios) < 40.5


def test_equal_seeds_give_equal_utterances():
    speakers = group_by_speaker(make_recordings())
    first, second = (
        draw_utterance(speakers, np.random.default_rng(7), speeds=(0.9, 1.1)) for _ in range(2)
    )
    np.testing.assert_array_equal(first.samples, second.samples)
    assert first.digits == second.digits


def test_speed_changes_the_length_and_keeps_the_shape():
    ramp = np.arange(1000, dtype="float32")
    np.testing.assert_allclose(spoken_digits.change_speed(ramp, 1.25), ramp[:800] * 1.25)
    assert spoken_digits.change_speed(ramp, 1.0) is ramp


def test_samples_are_padded_with_zeros():
    speakers, rng = group_by_speaker(make_recordings()), np.random.default_rng(0)
    utterances = [draw_utterance(speakers, rng) for _ in range(3)]
    audio, lengths = pad_samples(utterances, 20_000)
    assert audio.shape == (3, 20_000)
    for row, length, utterance in zip(audio, lengths, utterances, strict=True):
        np.testing.assert_array_equal(row[:length], utterance.samples)
        assert not row[length:].any()


def edit_distance(words, reference):
    if not words or not reference:
        return len(words) + len(reference)
    return min(
        edit_distance(words[1:], reference[1:]) + (words[0] != reference[0]),
        edit_distance(words[1:], reference) + 1,
        edit_distance(words, reference[1:]) + 1,
    )


@settings(max_examples=60, deadline=None)
@given(st.text("abc", max_size=5), st.text("abc", max_size=5))
def test_errors_are_the_edit_distance(words, reference):
    assert count_errors(words, reference) == edit_distance(words, reference)


@prepared
def test_the_prepared_recordings_are_complete():
    parts = split(spoken_digits.load_recordings())
    assert {part: len(parts[part]) for part in parts} == {
        "train": 2000,
        "validation": 250,
        "test": 250,
    }
    assert set(group_by_speaker(parts["test"])) == set(SPEAKERS)
    for recording in parts["test"]:
        assert 0.1 * RATE < len(recording.samples) < 2.5 * RATE
        assert 0.005 < np.abs(recording.samples).max() <= 1
