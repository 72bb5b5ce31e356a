"""Transcription of a stream: each part of the audio is heard once, and answered with its letters.

Hard monotonic attention chooses the first key of positive energy, which does not depend on the keys
after it. So a letter can be written as soon as its key has been heard. If no key is chosen, the
speller waits for more audio.
"""

import keras
import tensorflow as tf

from examples.datasets import spoken_digits
from examples.datasets.spoken_digits import pad_samples
from examples.speech_decoding import END, START
from examples.speech_network import KEY_SAMPLES

KEYS = 64  # the most recent keys, 5 seconds of audio, which a stream's state holds
LETTERS_PER_KEY = 3  # maximum number of letters that a part is answered with, per key of its audio
STATE_NAMES = (
    "history",  # the last samples, which the next frame overlaps
    *("listener_1_h", "listener_1_c", "listener_2_h", "listener_2_c"),
    *("keys", "is_real"),  # the last `KEYS` keys of the memory, and whether they were heard
    *("speller_h", "speller_c", "context"),
    "weights",  # 1 at the key that was chosen last
    "position",  # number of letters so far
    "letter",  # the last one
)


class SpeechStream:
    """Transcribes streams by a `SpeechNetwork` with `streaming` and hard monotonic attention.

    A state is a nest of tensors, one row for each stream: `history`, the LSTMs' states, the keys
    and whether they are real, the speller's `DecoderState`, and the last letter.
    """

    def __init__(self, network):
        self.network, self.log_mel = network, network.listener.log_mel
        self.history = self.log_mel.width - self.log_mel.hop
        self.recurrent = [
            keras.layers.RNN(layer.cell, return_sequences=True, return_state=True)
            for layer in network.listener.recurrent
        ]

    def begin(self, sessions):
        """Return the state of new streams, one for each element of `sessions` (batch,)."""
        batch = tf.shape(sessions)[0]
        units = self.recurrent[0].cell.units
        zeros = tf.zeros((batch, units))
        keys, is_real = tf.zeros((batch, KEYS, units)), tf.zeros((batch, KEYS), tf.bool)
        memory = self.network.decoder.prepare(keys, is_real)
        speller = self.network.decoder.get_initial_state(batch, memory=memory)
        # The search for the first key starts at the first of all.
        speller = speller._replace(carry=tf.one_hot(tf.zeros((batch,), tf.int32), KEYS))
        listener = [[zeros, zeros] for _ in self.recurrent]
        history = tf.zeros((batch, self.history))
        return history, listener, keys, is_real, speller, tf.fill((batch,), START)

    def feed(self, state, audio):
        """Hear the next audio (batch, n KEY_SAMPLES); return the next state and the letters."""
        history, listener, keys, is_real, speller, letter = state
        audio = tf.concat([history, audio], axis=1)
        heard, listener = self.listen(audio, listener)
        count = tf.shape(heard)[1]
        keys = tf.concat([keys, heard], axis=1)[:, -KEYS:]
        is_real = tf.concat([is_real, tf.ones(tf.shape(heard)[:2], tf.bool)], axis=1)[:, -KEYS:]
        weights = tf.pad(speller.carry, [(0, 0), (0, count)])[:, -KEYS:]
        # If the key that was chosen last is too old to be held, all keys are after it.
        is_lost = tf.reduce_sum(weights, axis=1, keepdims=True) == 0
        speller = speller._replace(carry=tf.where(is_lost, tf.one_hot(0, KEYS), weights))
        memory = self.network.decoder.prepare(keys, is_real)
        letters, speller, letter = self.spell(speller, letter, memory, LETTERS_PER_KEY * count)
        return (audio[:, -self.history :], listener, keys, is_real, speller, letter), letters

    def listen(self, audio, states):
        """Return the keys (batch, n, units) of audio that follows a state, and the next state."""
        samples = tf.shape(audio)[1]
        x, _ = self.log_mel(audio, tf.fill((tf.shape(audio)[0],), samples))
        # Later frames need samples of the next part.
        x = x[:, : (samples - self.history) // self.log_mel.hop]
        next_states = []
        for reduce, recurrent, state in zip(
            self.network.listener.reductions, self.recurrent, states, strict=True
        ):
            x, *next_state = recurrent(reduce(x), initial_state=state)
            next_states.append(next_state)
        return x, next_states

    def spell(self, speller, letter, memory, max_letters):
        """Write letters until no key is chosen; return them, the next state and the last letter."""

        def is_any_running(running, letters, speller, letter):
            return tf.reduce_any(running)

        def write(running, letters, speller, letter):
            logits, moved, weights = self.network.step(letter, speller, memory)
            best = tf.argmax(logits, axis=-1, output_type=tf.int32)
            has_key = running & tf.reduce_any(weights > 0, axis=-1)
            # While audio may follow, an end is only a pause: search on, behind its key.
            behind = tf.pad(moved.carry, [(0, 0), (1, 0)])[:, :-1]
            writes = has_key & (best != END)
            skips = has_key & (best == END) & tf.reduce_any(behind > 0, axis=-1)
            speller = select(skips, speller._replace(carry=behind), speller)
            speller, letter = select(writes, (moved, best), (speller, letter))
            letters = tf.concat([letters, tf.where(writes, best, 0)[:, None]], axis=1)
            return writes | skips, letters, speller, letter

        running = tf.ones_like(letter, tf.bool)
        letters = tf.zeros((tf.shape(letter)[0], 0), tf.int32)
        start = running, letters, speller, letter
        shapes = tf.nest.map_structure(lambda x: x.shape, start)
        _, letters, speller, letter = tf.while_loop(
            is_any_running,
            write,
            start,
            (shapes[0], tf.TensorShape((None, None)), *shapes[2:]),
            maximum_iterations=max_letters,
        )
        return letters, speller, letter


def select(condition, new, old):
    """Return the rows of `new` where the condition (batch,) is True, otherwise those of `old`."""
    return tf.nest.map_structure(
        lambda x, y: tf.where(tf.reshape(condition, (-1, *[1] * (len(x.shape) - 1))), x, y),
        new,
        old,
    )


def make_stream_signatures(network):
    """Return the signatures `begin` and `feed`, as `keras_attention.export.saved_model` takes them.

    `begin` maps `sessions`, any ints (batch,), to a state. `feed` maps the state, and `audio`
    (batch, n KEY_SAMPLES), to the next state and the `text` of this part.
    """
    stream = SpeechStream(network)
    letters = tf.constant(["", "", "", "", *spoken_digits.LETTERS])  # padding, unknown, start, end
    structure = stream.begin(tf.zeros((1,), tf.int32))
    specs = [
        tf.TensorSpec((None, *leaf.shape[1:]), leaf.dtype, name=name)
        for name, leaf in zip(STATE_NAMES, tf.nest.flatten(structure), strict=True)
    ]

    @tf.function
    def begin(sessions):
        return dict(zip(STATE_NAMES, tf.nest.flatten(stream.begin(sessions)), strict=True))

    @tf.function
    def feed(audio, **state):
        message = f"Expected a multiple of {KEY_SAMPLES} samples"
        check = tf.debugging.assert_equal(tf.shape(audio)[1] % KEY_SAMPLES, 0, message)
        with tf.control_dependencies([check]):
            audio = tf.identity(audio)
        state = tf.nest.pack_sequence_as(structure, [state[name] for name in STATE_NAMES])
        state, written = stream.feed(state, audio)
        text = tf.strings.reduce_join(tf.gather(letters, written), axis=-1)
        leaves = tf.nest.flatten(state)
        return {"text": text} | {
            f"next_{name}": leaf for name, leaf in zip(STATE_NAMES, leaves, strict=True)
        }

    return {
        "begin": (begin, [tf.TensorSpec((None,), tf.int32, name="sessions")]),
        "feed": (feed, [tf.TensorSpec((None, None), tf.float32, name="audio"), *specs]),
    }


def make_stream_examples(network, utterances):
    """Return examples of both signatures: new streams, and the first half second of audio."""
    stream, examples = SpeechStream(network), []
    for batch in (utterances[:1], utterances):
        sessions = tf.range(len(batch))
        state = tf.nest.flatten(stream.begin(sessions))
        audio, _ = pad_samples(batch, max(len(utterance.samples) for utterance in batch))
        examples.append(
            {"sessions": sessions.numpy(), "audio": audio[:, : 6 * KEY_SAMPLES]}
            | {name: leaf.numpy() for name, leaf in zip(STATE_NAMES, state, strict=True)}
        )
    return examples
