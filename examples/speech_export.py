"""Export of a `SpeechNetwork`: audio to text."""

import tensorflow as tf

import keras_attention
from examples.datasets import spoken_digits
from examples.datasets.spoken_digits import RATE, pad_samples
from examples.fixed_sizes import fix_sizes
from examples.speech_decoding import VOCABULARY, count_letters
from examples.speech_stream import make_stream_examples, make_stream_signatures

MAX_SECONDS = 60  # maximum length of audio
ALIGNED_LETTERS, ALIGNED_KEYS = 128, 256  # size of the alignments


def make_signature(network):
    """Return the `transcribe` signature: audio and lengths -> texts and alignments.

    The alignments are those of the first `ALIGNED_LETTERS` letters with the first `ALIGNED_KEYS`
    keys of each row, padded with zeros.
    """
    letters = tf.constant(["", "", "", "", *spoken_digits.LETTERS])  # padding, unknown, start, end

    @tf.function
    def transcribe(audio, lengths):
        # Check the length first, by a control dependency, because long audio would block a server.
        message = f"Expected at most {MAX_SECONDS} seconds"
        check = tf.debugging.assert_less_equal(tf.shape(audio)[1], MAX_SECONDS * RATE, message)
        with tf.control_dependencies([check]):
            audio = tf.identity(audio)
        decoded = network.greedy((audio, lengths), count_letters(tf.shape(audio)[1]))
        text = tf.strings.reduce_join(tf.gather(letters, decoded.tokens), axis=-1)
        sizes = (ALIGNED_LETTERS, ALIGNED_KEYS)
        return {"text": text, "alignments": fix_sizes(decoded.alignments, sizes)}

    return transcribe


def export(network, utterances, directory, streaming=False):
    """Export a SavedModel, with utterances as examples of its signatures."""
    specs = [
        tf.TensorSpec((None, None), tf.float32, name="audio"),
        tf.TensorSpec((None,), tf.int32, name="lengths"),
    ]
    examples = []
    for batch in (utterances[:1], utterances):
        audio, lengths = pad_samples(batch, max(len(utterance.samples) for utterance in batch))
        text = VOCABULARY.encode(["^"] * len(batch), 2)
        examples.append({"audio": audio, "lengths": lengths, "text": text})
    signatures = {"transcribe": (make_signature(network), specs)}
    if streaming:
        signatures |= make_stream_signatures(network)
        examples += make_stream_examples(network, utterances)
    return keras_attention.export.saved_model(
        network.model, directory, signatures=signatures, example=examples
    )
