"""Connected spoken digits, made of the recordings of single digits in TFDS's `spoken_digit`.

    parts = split(load_recordings())
    utterance = draw_utterance(parts["train"], np.random.default_rng(0))
    utterance.text  # "three one four"

An utterance has recordings of one speaker, with silences of 0 to `MAX_SILENCE` seconds before,
between and after them, a drawn gain and white noise. The parts have different recordings of the
same speakers; as in the data set's own split, recordings 0 to 4 of each speaker and digit are the
test. With a speaker held out, all recordings of that speaker are the test, and only those.
"""

import collections
from typing import NamedTuple

import numpy as np
import tensorflow_datasets as tfds

RATE = 8000  # samples per second
SPEAKERS = ("george", "jackson", "nicolas", "theo", "yweweler")
WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
LETTERS = "".join(sorted({" ", *"".join(WORDS)}))
MAX_SILENCE = 0.2  # seconds
GAINS = (0.5, 2.0)
SIGNAL_TO_NOISE = (20.0, 40.0)  # decibels
SPEEDS = (0.9, 1.1)  # of the recordings in training
TEST_INDICES, VALIDATION_INDICES = range(5), range(5, 10)


class Recording(NamedTuple):
    """A spoken digit: samples (n,) float32 in [-1, 1], and the parts of its file name."""

    samples: np.ndarray
    digit: int
    speaker: str
    index: int


class Utterance(NamedTuple):
    """A string of digits.

    Attributes:
        samples: (n,) float32.
        digits: Tuple of ints.
        boundaries: (len(digits), 2) int, the first sample of each word, and the one after its last.
    """

    samples: np.ndarray
    digits: tuple
    boundaries: np.ndarray

    @property
    def text(self):
        """The digits as words, in letters."""
        return " ".join(WORDS[digit] for digit in self.digits)


def load_recordings(data_dir=None):
    """Load all recordings of `spoken_digit`, in TFDS's order."""
    data = tfds.load("spoken_digit", split="train", data_dir=data_dir, try_gcs=False)
    return [
        parse_recording(row["audio/filename"].decode(), row["audio"]) for row in tfds.as_numpy(data)
    ]


def parse_recording(name, samples):
    """Return the `Recording` of a file `digit_speaker_index.wav` with 16-bit samples."""
    digit, speaker, index = name.removesuffix(".wav").split("_")
    return Recording((samples / 2**15).astype("float32"), int(digit), speaker, int(index))


def split(recordings, held_out="none"):
    """Return the recordings {"train": [...], "validation": [...], "test": [...]}.

    Args:
        recordings: List of `Recording`.
        held_out: A speaker all of whose recordings are the test; "none" for known speakers.
    """
    if held_out not in ("none", *SPEAKERS):
        raise ValueError(
            f"Expected `held_out` to be 'none' or one of {SPEAKERS}. Received: {held_out=}"
        )
    parts = {"train": [], "validation": [], "test": []}
    for recording in recordings:
        is_test = recording.index in TEST_INDICES
        if recording.speaker == held_out:
            parts["test"].append(recording)
        elif recording.index in VALIDATION_INDICES:
            parts["validation"].append(recording)
        elif not is_test:
            parts["train"].append(recording)
        elif held_out == "none":
            parts["test"].append(recording)
    return parts


def group_by_speaker(recordings):
    """Return {speaker: list of recordings}."""
    groups = collections.defaultdict(list)
    for recording in recordings:
        groups[recording.speaker].append(recording)
    return dict(groups)


def draw_utterance(speakers, rng, counts=(1, 5), speeds=(1.0, 1.0)):
    """Draw a random string of digits by a random speaker.

    Args:
        speakers: Dict of `group_by_speaker`.
        rng: A `numpy.random.Generator`.
        counts: Minimum and maximum number of digits.
        speeds: Range of the factor by which each recording is played faster.
    """
    recordings = speakers[list(speakers)[rng.integers(len(speakers))]]
    count = rng.integers(counts[0], counts[1] + 1)
    chosen = [recordings[index] for index in rng.integers(len(recordings), size=count)]
    silences = (MAX_SILENCE * RATE * rng.random(count + 1)).astype(int)
    factors = rng.uniform(*speeds, size=count)
    parts, boundaries, position = [], [], 0
    for recording, silence, factor in zip(chosen, silences, factors, strict=False):
        word = change_speed(recording.samples, factor)
        parts += [np.zeros(silence, "float32"), word]
        boundaries.append((position + silence, position + silence + len(word)))
        position = boundaries[-1][1]
    samples = np.concatenate([*parts, np.zeros(silences[-1], "float32")])
    level = np.sqrt(np.mean(samples**2)) * 10 ** (-rng.uniform(*SIGNAL_TO_NOISE) / 20)
    noise = rng.standard_normal(len(samples), dtype="float32")
    gain = np.exp(rng.uniform(*np.log(GAINS)))
    samples = (gain * (samples + level * noise)).astype("float32")
    return Utterance(samples, tuple(r.digit for r in chosen), np.array(boundaries))


def draw_utterances(speakers, count, seed, counts=(1, 5)):
    """Return a list of `count` random utterances; the arguments are those of `draw_utterance`."""
    rng = np.random.default_rng(seed)
    return [draw_utterance(speakers, rng, counts) for _ in range(count)]


def change_speed(samples, factor):
    """Return samples played `factor` times as fast, by linear interpolation."""
    if factor == 1:
        return samples
    times = np.arange(int(len(samples) / factor)) * factor
    return np.interp(times, np.arange(len(samples)), samples).astype("float32")


def pad_samples(utterances, size):
    """Return the samples (N, size) float32, padded with zeros, and their lengths (N,) int32."""
    audio = np.zeros((len(utterances), size), "float32")
    for row, utterance in zip(audio, utterances, strict=True):
        row[: len(utterance.samples)] = utterance.samples
    return audio, np.array([len(utterance.samples) for utterance in utterances], "int32")


def count_errors(words, reference):
    """Return the edit distance of two sequences: insertions, deletions and substitutions."""
    distances = np.arange(len(reference) + 1)
    for word in words:
        previous, distances = distances, distances + 1
        for position, expected in enumerate(reference):
            distances[position + 1] = min(
                previous[position] + (word != expected),
                previous[position + 1] + 1,
                distances[position] + 1,
            )
    return int(distances[-1])
