"""Batches of utterances and their texts, for training a `SpeechNetwork`."""

import numpy as np

from examples.datasets.spoken_digits import SPEEDS, draw_utterance, pad_samples
from examples.speech_decoding import VOCABULARY
from examples.training import as_dataset

# The shapes (samples, letters) to which utterances are padded in training. XLA compiles one program
# for each. Longer utterances, one in several hundred, are left out.
SHAPES = ((10_400, 12), (18_400, 24), (30_400, 30))
BATCH = 32


def make_batches(speakers, counts, shapes, steps, seed):
    """Return a data set of `steps` new random batches, each padded to one of the shapes."""

    def generate():
        rng = np.random.default_rng(seed)
        pools, emitted = {shape: [] for shape in shapes}, 0
        while emitted < steps:
            utterance = draw_utterance(speakers, rng, counts, SPEEDS)
            size, length = len(utterance.samples), len(utterance.text) + 1
            for shape in [s for s in shapes if size <= s[0] and length <= s[1]][:1]:
                pools[shape].append(utterance)
                if len(pools[shape]) == BATCH:
                    yield make_arrays(pools[shape], *shape)
                    pools[shape], emitted = [], emitted + 1

    return as_dataset(generate, steps)


def make_arrays(utterances, size, length):
    """Return ((audio, lengths, text shifted right), text), padded to samples and letters."""
    texts = [utterance.text for utterance in utterances]
    shifted = VOCABULARY.encode(["^" + text for text in texts], length)
    target = VOCABULARY.encode([text + "$" for text in texts], length)
    return (*pad_samples(utterances, size), shifted), target
