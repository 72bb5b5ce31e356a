"""Listen, Attend and Spell (Chan et al. 2015), with one of four attentions."""

import math

import keras
from keras import layers, ops

import keras_attention
from examples.log_mel import LogMel, is_real
from examples.sequence_to_sequence import SequenceToSequence

ATTENTIONS = ("additive", "location", "monotonic", "chunkwise")
REDUCTIONS = (4, 2)  # steps that each recurrent layer reads as one: 40 ms, then 80 ms
KEY_SAMPLES = 80 * math.prod(REDUCTIONS)  # from the start of a key to that of the next one
NOISE = 2.0  # of the energies of the monotonic attentions in training
CHUNK = 4  # keys that chunkwise attention reads
WIDTH = 15  # keys that a filter of location-aware attention covers
WINDOW = 10  # keys to each side that location-aware attention reads in inference
STATISTICS = (-5.5, 3.7)  # mean and standard deviation of the log-mel features in training


class SpeechNetwork(SequenceToSequence):
    """The listener, a pyramid of recurrent layers, and the speller, a recurrent decoder.

        features = log-mel energies of the audio, every 10 ms
        memory   = bidirectional LSTM over groups of 2 steps of
                   a bidirectional LSTM over groups of 4 frames
        speller  = LSTM of [previous letter; previous context], which then attends to the memory
        letter   = MLP of [state; context]

    Args:
        vocabulary: Size of the vocabulary; id 0 is padding.
        start, end: Ids that begin and end a text.
        units: Width of the memory, the speller and the scores.
        attention: One of `ATTENTIONS`.
        dropout: Dropout rate of the memory, of the layer below it, of the letters and of the hidden
            layer of the MLP. The same units are dropped at all steps.
        streaming: Whether the listener reads the audio in one direction, without statistics of the
            whole utterance, so that it can listen to a stream.
        inference: "hard" or "soft", the inference of the monotonic attentions.
        seed: Seed of the noise of the monotonic attentions.

    `model` is the functional Keras model for training: (audio, lengths, text shifted right) ->
    logits.
    """

    def __init__(
        self,
        vocabulary,
        start,
        end,
        units,
        attention="location",
        dropout=0.2,
        streaming=False,
        inference="hard",
        seed=None,
    ):
        self.start, self.end = start, end
        self.listener = Listener(units, dropout, streaming)
        self.embed = layers.Embedding(vocabulary, units // 4)
        self.dropout = make_dropout(dropout)
        self.decoder = keras_attention.AttentionDecoder(
            layers.LSTMCell(units),
            make_attention(attention, units, inference, seed),
            attend="after",
            input_feeding=True,
            output_mode="both",
        )
        self.hidden = layers.Dense(units, activation="tanh")
        self.logits = layers.Dense(vocabulary, dtype="float32")
        audio = keras.Input((None,), name="audio")
        lengths = keras.Input((), dtype="int32", name="lengths")
        text = keras.Input((None,), dtype="int32", name="text")
        memory, mask = self.listener(audio, lengths)
        outputs = self.decoder(self.dropout(self.embed(text)), memory, memory_mask=mask)
        logits = self.logits(self.dropout(self.hidden(outputs)))
        self.model = keras.Model([audio, lengths, text], logits)

    def begin(self, source, max_length):
        """Return the arguments of a search for (audio, lengths): state, memory and its mask."""
        memory, mask = self.listener(*source)
        prepared = self.decoder.prepare(memory, mask)
        state = self.decoder.get_initial_state(ops.shape(memory)[0], memory=prepared)
        return {"state": state, "memory": prepared, "memory_mask": mask}

    def step(self, tokens, state, memory):
        """Run one decoding step; return logits, state and alignment."""
        output, alignment, state = self.decoder.step(self.embed(tokens), state, memory)
        return self.logits(self.hidden(output)), state, alignment


class Listener(layers.Layer):
    """The encoder: (audio, lengths) -> memory (batch, steps, units) and its mask."""

    def __init__(self, units, dropout, streaming=False, **kwargs):
        super().__init__(**kwargs)
        self.log_mel = LogMel(statistics=STATISTICS if streaming else None)
        self.reductions = [keras_attention.TimeReduction(factor) for factor in REDUCTIONS]
        self.recurrent = [make_recurrent(units, streaming) for _ in REDUCTIONS]
        self.dropout = make_dropout(dropout)

    def call(self, audio, lengths, training=None):
        x, mask = self.log_mel(audio, lengths)
        samples = self.log_mel.hop
        for reduce, recurrent in zip(self.reductions, self.recurrent, strict=True):
            x = reduce(x, mask=mask)
            samples *= reduce.factor
            mask = is_real(lengths, ops.shape(x)[1], samples)
            x = self.dropout(recurrent(x, mask=mask, training=training), training=training)
        return x, mask


def make_recurrent(units, streaming):
    """Return an LSTM for one direction if streaming, otherwise for both."""
    options = {"return_sequences": True, "use_cudnn": False}  # XLA cannot compile cuDNN's LSTM
    if streaming:
        return layers.LSTM(units, **options)
    return layers.Bidirectional(layers.LSTM(units // 2, **options))


def make_attention(name, units, inference="hard", seed=None):
    """Return the attention layer for one of `ATTENTIONS`."""
    if name == "additive":
        return keras_attention.AdditiveAttention(units)
    if name == "location":
        return keras_attention.LocationAwareAttention(
            units, width=WIDTH, start="first", window=WINDOW
        )
    chunk = {"monotonic": 1, "chunkwise": CHUNK}[name]
    return keras_attention.MonotonicAttention(
        units=units,
        normalized=False,
        bias=-1.0,
        noise=NOISE,
        chunk=chunk,
        inference=inference,
        seed=seed,
    )


def make_dropout(rate):
    """Return a dropout layer for (batch, steps, units) that drops the same units at all steps."""
    return keras_attention.Dropout(rate, noise_shape=(None, 1, None))
