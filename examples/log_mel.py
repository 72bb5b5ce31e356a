"""Log-mel features of audio, as a Keras layer, so that they are part of an exported graph."""

import keras
import numpy as np
from keras import ops


class LogMel(keras.layers.Layer):
    """Logarithms of the energies in mel bands, shifted and scaled.

    A frame of `width` samples starts at every `hop`-th sample. Frames that start after the real
    samples are zero. Padding of any length and content has no effect.

    Args:
        bands: Number of mel bands.
        rate: Samples per second.
        width: Samples per frame, 25 ms by default.
        hop: Samples from frame to frame, 10 ms by default.
        size: Size of the Fourier transform, at least `width`.
        floor: Lower bound of an energy, because the logarithm of silence is infinite.
        statistics: Mean and standard deviation of all features, for audio that arrives in parts;
            None = those of each utterance and band, over its real frames.

    Call arguments:
        audio: `(batch, samples)`, float.
        lengths: `(batch,)` int32, the number of real samples of each row.

    Returns:
        Features `(batch, frames, bands)` and their mask `(batch, frames)`, True = a real frame,
        with `frames = 1 + samples // hop`.
    """

    def __init__(
        self,
        bands=40,
        rate=8000,
        width=200,
        hop=80,
        size=256,
        floor=1e-6,
        statistics=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.width, self.hop, self.size, self.floor = width, hop, size, floor
        self.statistics = statistics
        self.mel_weights = compute_mel_weights(bands, rate, size)

    def call(self, audio, lengths):
        # Replace the padding, because it may hold NaN, and a frame may reach into it.
        audio = ops.where(is_real(lengths, ops.shape(audio)[1]), audio, 0.0)
        # `stft` centers the window of `width` samples in a frame of `size` samples.
        margin = (self.size - self.width) // 2
        audio = ops.pad(audio, [(0, 0), (margin, self.size - margin)])
        real, imaginary = ops.stft(audio, self.width, self.hop, self.size, center=False)
        energies = ops.matmul(real**2 + imaginary**2, self.mel_weights)
        features = ops.log(ops.maximum(energies, self.floor))
        mask = is_real(lengths, ops.shape(features)[1], self.hop)
        if self.statistics is None:
            return standardize(features, mask), mask
        mean, deviation = self.statistics
        return ops.where(ops.expand_dims(mask, -1), (features - mean) / deviation, 0.0), mask


def is_real(lengths, count, hop=1):
    """Return `(batch, count)`, True for steps that start, every `hop` samples, before the length.

    Args:
        lengths: `(batch,)` int32, in samples.
        count: Number of steps.
        hop: Samples from step to step.
    """
    return hop * ops.arange(count, dtype="int32") < ops.expand_dims(lengths, -1)


def standardize(features, mask):
    """Return features with mean 0 and variance 1 over the real frames of each row and band."""
    mask = ops.cast(ops.expand_dims(mask, -1), features.dtype)
    count = ops.maximum(ops.sum(mask, axis=1, keepdims=True), 1.0)
    centered = mask * (features - ops.sum(mask * features, axis=1, keepdims=True) / count)
    variance = ops.sum(centered**2, axis=1, keepdims=True) / count
    return centered / ops.sqrt(variance + 1e-4)


def compute_mel_weights(bands, rate, size):
    """Return the weights `(size // 2 + 1, bands)` float32 of triangular filters.

    The filters are equally spaced on the mel scale, from 0 to half the sampling rate; each reaches
    from the center of the previous one to the center of the next one.
    """
    edges = 700 * (10 ** (np.linspace(0, to_mel(rate / 2), bands + 2) / 2595) - 1)
    frequencies = np.arange(size // 2 + 1)[:, None] * rate / size
    rising = (frequencies - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - frequencies) / (edges[2:] - edges[1:-1])
    return np.maximum(np.minimum(rising, falling), 0).astype("float32")


def to_mel(frequency):
    """Return a frequency in Hz on the mel scale."""
    return 2595 * np.log10(1 + frequency / 700)
