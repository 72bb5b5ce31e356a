"""A recurrent encoder-decoder with or without attention, for training and for decoding."""

import keras
from keras import layers, ops

import keras_attention
from examples.sequence_to_sequence import SequenceToSequence

ATTENTIONS = ("additive", "dot", "general", "concat", "location", "none")


class EncoderDecoder(SequenceToSequence):
    """RNNsearch (Bahdanau 2015), Luong's variants, and an encoder-decoder without attention.

        memory        = bidirectional GRU over the embedded source
        initial state = tanh(Dense(last state of the backward direction))
        additive:       attention before the cell; readout of [state; context; previous token]
        dot, general, concat, location: attention after the cell, with input feeding; readout of
                        [h~; previous token]
        none:           the decoder gets only the initial state from the source

    Args:
        source_size, target_size: Sizes of the vocabularies; id 0 is padding.
        start, end: Target ids that begin and end a sentence.
        embedding: Width of the embeddings.
        units: Width of the decoder's state, and of the memory.
        attention: One of `ATTENTIONS`.
        max_source: Maximum length of a source; only the location score needs it.
        dropout: Dropout rate of embeddings and readout.

    `model` is the functional Keras model for training: (source, target shifted right) -> logits.
    """

    def __init__(
        self,
        source_size,
        target_size,
        start,
        end,
        embedding,
        units,
        attention="additive",
        max_source=None,
        dropout=0.0,
    ):
        if units < 2 or units % 2:
            raise ValueError(
                f"Expected `units` to be even, half per direction. Received: units={units}"
            )
        self.start, self.end, self.attention = start, end, attention
        self.embed_source = layers.Embedding(source_size, embedding, mask_zero=True)
        self.embed_target = layers.Embedding(target_size, embedding)
        # XLA cannot compile cuDNN's GRU.
        encoder = layers.GRU(units // 2, return_sequences=True, return_state=True, use_cudnn=False)
        self.encoder = layers.Bidirectional(encoder)
        self.initial_state = layers.Dense(units, activation="tanh")
        self.decoder = make_decoder(attention, units, max_source)
        self.readout = layers.Dense(embedding, activation="tanh")
        self.logits = layers.Dense(target_size, dtype="float32")
        self.dropout = keras_attention.Dropout(dropout)
        source = keras.Input((None,), dtype="int32", name="source")
        target = keras.Input((None,), dtype="int32", name="target")
        memory, state = self.encode(source)
        embedded = self.dropout(self.embed_target(target))
        if attention == "none":
            outputs = self.decoder(embedded, initial_state=state)
        else:
            outputs = self.decoder(embedded, memory, initial_state=state)
        self.model = keras.Model([source, target], self.read_out(outputs, embedded))

    def encode(self, source):
        """Map source ids (batch, S) to memory (batch, S, units) and state (batch, units)."""
        memory, _, backward = self.encoder(self.dropout(self.embed_source(source)))
        return memory, self.initial_state(backward)

    def read_out(self, outputs, embedded):
        """Map decoder outputs and embedded previous tokens to logits."""
        return self.logits(
            self.dropout(self.readout(ops.concatenate([outputs, embedded], axis=-1)))
        )

    def begin(self, source, max_length):
        """Return the arguments of a search for source ids: state, memory and memory mask."""
        memory, state = self.encode(source)
        if self.attention == "none":
            return {"state": [state], "memory": (), "memory_mask": None}
        mask = source != 0
        return {
            "state": self.decoder.get_initial_state(ops.shape(source)[0], state),
            "memory": self.decoder.prepare(memory, mask),
            "memory_mask": mask,
        }

    def step(self, tokens, state, memory):
        """Run one decoding step; return logits, state and alignment, which may be None."""
        embedded = self.embed_target(tokens)
        if self.attention == "none":
            output, state = self.decoder.cell(embedded, state)
            alignment = None
        else:
            output, alignment, state = self.decoder.step(embedded, state, memory)
        return self.read_out(output, embedded), state, alignment


def make_decoder(attention, units, max_source=None):
    """Return the decoding layer for one of `ATTENTIONS`."""
    cell = layers.GRUCell(units)
    if attention == "none":
        return layers.RNN(cell, return_sequences=True)
    if attention == "additive":
        return keras_attention.AttentionDecoder(
            cell, keras_attention.AdditiveAttention(units), attend="before", output_mode="both"
        )
    max_length = max_source if attention == "location" else None
    luong = keras_attention.LuongAttention(attention, units=units, max_length=max_length)
    return keras_attention.AttentionDecoder(cell, luong, attend="after", input_feeding=True)
