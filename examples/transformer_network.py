"""The Transformer's encoder-decoder (Vaswani et al. 2017), for training and for decoding."""

import keras
from keras import layers, ops

import keras_attention
from examples.sequence_to_sequence import SequenceToSequence
from keras_attention import DecoderBlockCache


class Transformer(SequenceToSequence):
    """The paper's encoder-decoder, for training and for decoding.

    Args:
        size: Number of ids of the shared vocabulary; 0 is padding.
        start, end: Ids that begin and end a sentence.
        blocks: Number of layers of the encoder, and of the decoder.
        heads: Number of heads of every attention.
        units: Width of the embeddings and of all layers.
        hidden: Width of the feed-forward networks.
        dropout: Rate of the dropout of the embeddings with positions and of all sub-layers.
        norm: "post", as in the paper, or "pre".

    `model` is the functional Keras model for training: (source, target shifted right) -> logits.
    """

    def __init__(self, size, start, end, blocks, heads, units, hidden, dropout, norm="post"):
        self.start, self.end = start, end
        self.embed = layers.ReversibleEmbedding(
            size,
            units,
            embeddings_initializer=keras.initializers.RandomNormal(stddev=units**-0.5),
            reverse_dtype="float32",
        )
        self.positions = keras_attention.PositionalEncoding(scale=True)
        self.dropout = keras_attention.Dropout(dropout)
        options = {"num_heads": heads, "hidden_dim": hidden, "dropout": dropout, "norm": norm}
        self.encoder = [keras_attention.TransformerEncoderBlock(**options) for _ in range(blocks)]
        self.decoder = [keras_attention.TransformerDecoderBlock(**options) for _ in range(blocks)]
        # Post-norm blocks end with a normalization; pre-norm blocks need one after the last block.
        self.encoder_norm, self.decoder_norm = (
            layers.LayerNormalization(epsilon=1e-6) if norm == "pre" else layers.Identity()
            for _ in range(2)
        )
        source = keras.Input((None,), dtype="int32", name="source")
        target = keras.Input((None,), dtype="int32", name="target")
        memory, mask = self.encode(source)
        x = self.dropout(self.positions(self.embed(target)))
        for block in self.decoder:
            x = block(x, memory, memory_mask=mask)
        self.model = keras.Model([source, target], self.read_out(x))

    def encode(self, source):
        """Map source ids (batch, S) to memory (batch, S, units) and its mask (batch, S)."""
        mask = ops.not_equal(source, 0)
        x = self.dropout(self.positions(self.embed(source)))
        for block in self.encoder:
            x = block(x, mask=mask)
        return self.encoder_norm(x), mask

    def read_out(self, x):
        """Map decoder outputs (..., units) to logits (..., size) by the embedding matrix."""
        return self.embed(self.decoder_norm(x), reverse=True)

    def begin(self, source, max_length):
        """Return the arguments of a search for source ids: state, memory and memory mask."""
        memory, mask = self.encode(source)
        caches = [block.get_initial_cache(memory, max_length, mask) for block in self.decoder]
        written = [cache.written for cache in caches]
        return {
            "state": [ops.zeros_like(source[:, 0]), written],
            "memory": [cache.memory for cache in caches],
            "memory_mask": mask,
        }

    def step(self, tokens, state, memory):
        """Run one decoding step; return logits, state and the last block's mean alignment."""
        position, previous = state
        x, written = self.positions(self.embed(tokens[:, None]), start=position), []
        for block, *cache in zip(self.decoder, previous, memory, strict=True):
            x, _, weights, cache = block(
                x, cache=DecoderBlockCache(*cache), return_attention_scores=True
            )
            written.append(cache.written)
        alignment = ops.mean(weights[:, :, 0], axis=1)
        return self.read_out(x)[:, 0], [position + 1, written], alignment
