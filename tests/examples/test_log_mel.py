"""Log-mel features agree with a plain numpy version, and padding has no effect."""

import numpy as np
import pytest

from examples.log_mel import LogMel, compute_mel_weights, to_mel

RATE, WIDTH, HOP, SIZE, BANDS = 8000, 200, 80, 256, 40


def compute_reference(samples):
    """Return the features of real samples (n,) in float64, frame by frame."""
    window = np.array([0.5 - 0.5 * np.cos(2 * np.pi * n / WIDTH) for n in range(WIDTH)])
    # The filters are triangles between points that are equally spaced on the mel scale.
    points = [to_hertz(to_mel(RATE / 2) * n / (BANDS + 1)) for n in range(BANDS + 2)]
    frequencies = np.arange(SIZE // 2 + 1) * RATE / SIZE
    filters = [np.interp(frequencies, points[n : n + 3], [0, 1, 0]) for n in range(BANDS)]
    padded = np.pad(samples.astype("float64"), (0, WIDTH))
    rows = []
    for start in range(0, len(samples), HOP):
        spectrum = np.fft.rfft(padded[start : start + WIDTH] * window, SIZE)
        rows.append([np.log(max(np.sum(abs(spectrum) ** 2 * x), 1e-6)) for x in filters])
    features = np.array(rows)
    return (features - features.mean(0)) / np.sqrt(features.var(0) + 1e-4)


def to_hertz(mel):
    return 700 * (10 ** (mel / 2595) - 1)


def draw_audio(lengths, size, seed=0):
    rng = np.random.default_rng(seed)
    audio = rng.normal(size=(len(lengths), size)).astype("float32")
    return audio * rng.uniform(0, 0.3, size=size).astype("float32"), np.array(lengths, "int32")


def test_features_agree_with_a_loop_and_ignore_the_padding():
    audio, lengths = draw_audio([1000, 641, 640, 1], 1000)
    padded = np.concatenate([audio, np.full((4, 503), np.nan, "float32")], axis=1)
    for row, length in zip(padded, lengths, strict=True):
        row[length:] = np.nan
    features, mask = (np.asarray(x) for x in LogMel()(padded, lengths))
    assert features.shape == (4, 1 + 1503 // HOP, BANDS)
    for row, (length, real) in enumerate(zip(lengths, mask, strict=True)):
        expected = compute_reference(audio[row, :length])
        assert real.tolist() == [True] * len(expected) + [False] * (len(real) - len(expected))
        np.testing.assert_allclose(features[row, real], expected, atol=2e-4)
        assert not features[row, ~real].any()


@pytest.mark.parametrize("size", [0, 1, 300])
def test_silence_and_empty_audio_give_finite_features(size):
    features, mask = LogMel()(np.zeros((2, size), "float32"), np.array([0, size], "int32"))
    assert np.isfinite(np.asarray(features)).all()
    assert not np.asarray(mask)[0].any()


def test_a_tone_is_in_the_band_of_its_frequency():
    weights = compute_mel_weights(BANDS, RATE, SIZE)
    assert weights.shape == (SIZE // 2 + 1, BANDS)
    assert (weights.max(axis=0) > 0.5).all()
    for frequency in (500, 1000, 3000):
        band = weights[round(frequency * SIZE / RATE)].argmax()
        assert abs(band + 1 - to_mel(frequency) / to_mel(RATE / 2) * (BANDS + 1)) <= 0.6
