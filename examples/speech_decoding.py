"""Transcription of utterances by a `SpeechNetwork`, and its errors."""

import numpy as np
import tensorflow as tf

from examples.datasets import spoken_digits
from examples.datasets.dates import Vocabulary
from examples.datasets.spoken_digits import count_errors, pad_samples
from examples.speech_network import KEY_SAMPLES

VOCABULARY = Vocabulary("^$" + spoken_digits.LETTERS)  # with the marks "^" and "$" of start and end
START, END = VOCABULARY.ids["^"], VOCABULARY.ids["$"]
MAX_LETTERS = 6  # of a word, with the space after it
UTTERANCES_PER_CALL = 50
SIZE_STEP = 32 * KEY_SAMPLES  # audio is padded to a multiple, because XLA compiles for each size


def count_letters(samples):
    """Return the maximum number of letters of a text: two for each key, and those of a word."""
    return MAX_LETTERS + 2 * samples // KEY_SAMPLES


def make_search(network, beam_width=1, jit_compile=True):
    """Return a compiled function: audio, lengths -> the best `Decoded` of each row."""

    @tf.function(jit_compile=jit_compile)
    def search(audio, lengths):
        max_length = count_letters(audio.shape[1])
        if beam_width == 1:
            return network.greedy((audio, lengths), max_length)
        decoded = network.beam_search((audio, lengths), max_length, beam_width=beam_width)
        return tf.nest.map_structure(lambda x: x[:, 0], decoded)

    return search


def transcribe(search, utterances):
    """Return the text and the alignment (letters, keys) of each utterance."""
    longest = max(len(utterance.samples) for utterance in utterances)
    size, outputs = -(-longest // SIZE_STEP) * SIZE_STEP, []
    rows = min(len(utterances), UTTERANCES_PER_CALL)
    for first in range(0, len(utterances), rows):
        audio, lengths = pad_samples(utterances[first : first + rows], size)
        missing = rows - len(audio)
        decoded = search(np.pad(audio, [(0, missing), (0, 0)]), np.pad(lengths, (0, missing)))
        tokens, alignments = decoded.tokens.numpy(), decoded.alignments.numpy()
        for row, length in enumerate(lengths):
            text = VOCABULARY.decode(tokens[row : row + 1])[0].split("$")[0]
            keys = -(-length // KEY_SAMPLES)
            outputs.append((text, alignments[row, : len(text) + 1, :keys]))
    return outputs


def evaluate(search, utterances):
    """Return the share of right texts, and the edit distance in words per word."""
    errors = words = right = 0
    for utterance, (text, _) in zip(utterances, transcribe(search, utterances), strict=True):
        errors += count_errors(text.split(), utterance.text.split())
        words += len(utterance.digits)
        right += text == utterance.text
    return {"sequences right": right / len(utterances), "digit error": errors / words}
