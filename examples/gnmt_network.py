"""A deep recurrent encoder-decoder with residual connections, as in GNMT (Wu et al. 2016)."""

import keras
from keras import layers

import keras_attention
from examples.sequence_to_sequence import SequenceToSequence


class GNMT(SequenceToSequence):
    """A stack of LSTM layers on each side, joined by one additive attention.

        memory:  a bidirectional LSTM, and above it a stack of LSTM cells
        decoder: a stack of LSTM cells. The previous state of the bottom cell is the query of the
                 attention; the context is an input of every cell
        logits:  a dense layer on the output of the top cell

    From the third layer of each side on, a layer adds its input to its output.

    Args:
        source_size, target_size: Sizes of the vocabularies; id 0 is padding.
        start, end: Target ids that begin and end a sentence.
        units: Width of the embeddings and of all layers; the outputs of the two directions at the
            bottom are concatenated.
        depth: Number of layers of each side, at least 2.
        residual: False for stacks without residual connections, for comparison.
        dropout: Dropout rate of the embeddings, of the memory and of the decoder's output.

    `model` is the functional Keras model for training: (source, target shifted right) -> logits.

    Differs from the paper: dropout is applied at these three places instead of in every layer.
    """

    def __init__(
        self, source_size, target_size, start, end, units, depth=4, residual=True, dropout=0.0
    ):
        if depth < 2:
            raise ValueError(f"Expected `depth` to be at least 2. Received: depth={depth}")
        self.start, self.end = start, end
        self.embed_source = layers.Embedding(source_size, units, mask_zero=True)
        self.embed_target = layers.Embedding(target_size, units)
        # XLA cannot compile cuDNN's LSTM.
        bottom = layers.LSTM(units, return_sequences=True, use_cudnn=False)
        self.bottom = layers.Bidirectional(bottom)
        # The encoder's bottom layer is not in its stack, so the third layer is the stack's second.
        encoder = make_stack(units, depth - 1, 1 if residual else depth)
        self.encoder = layers.RNN(encoder, return_sequences=True)
        self.decoder = keras_attention.AttentionDecoder(
            make_stack(units, depth, 2 if residual else depth, shared_width=units),
            keras_attention.AdditiveAttention(units),
        )
        self.logits = layers.Dense(target_size, dtype="float32")
        self.dropout = keras_attention.Dropout(dropout)
        source = keras.Input((None,), dtype="int32", name="source")
        target = keras.Input((None,), dtype="int32", name="target")
        embedded = self.dropout(self.embed_target(target))
        outputs = self.decoder(embedded, self.encode(source))
        self.model = keras.Model([source, target], self.logits(self.dropout(outputs)))

    def encode(self, source):
        """Map source ids (batch, S) to memory (batch, S, units)."""
        return self.dropout(self.encoder(self.bottom(self.dropout(self.embed_source(source)))))

    def begin(self, source, max_length):
        """Return the arguments of a search for source ids: state, memory and memory mask."""
        mask = source != 0
        memory = self.decoder.prepare(self.encode(source), mask)
        state = self.decoder.get_initial_state(keras.ops.shape(source)[0])
        return {"state": state, "memory": memory, "memory_mask": mask}

    def step(self, tokens, state, memory):
        """Run one decoding step; return logits, state and alignment."""
        output, alignment, state = self.decoder.step(self.embed_target(tokens), state, memory)
        return self.logits(output), state, alignment


def make_stack(units, depth, residual_from, shared_width=0):
    """Return a stack of LSTM cells of equal width, a recurrent cell."""
    cells = [layers.LSTMCell(units) for _ in range(depth)]
    return keras_attention.ResidualStack(cells, residual_from, shared_width)
