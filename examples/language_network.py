"""A character language model of Transformer blocks, for training and for writing text."""

import keras
from keras import layers, ops

import keras_attention
from keras_attention import KeyValueCache, decoding

NO_END = -1  # no character ends a text


class LanguageModel:
    """Pre-norm Transformer blocks with rotary positions: causal as in GPT, or not, as in BERT.

    Every position attends to the `context` last positions only (and the next ones, without a causal
    mask), itself included. Texts can therefore be longer than the windows of training, which have
    `context` characters: no distance of two positions is new to the model.

    Args:
        size: Number of characters; ids of inputs are 0 to `size`, the last is a masked character.
        context: Number of characters that a position attends to.
        blocks: Number of blocks.
        heads: Number of heads of every attention.
        units: Width of the embeddings and of all blocks.
        dropout: Rate of the dropout of the embeddings and of all sub-layers.
        causal: Whether a position attends to earlier positions only.

    `model` is the functional Keras model: ids (batch, T) -> logits (batch, T, size).
    """

    def __init__(self, size, context, blocks, heads, units, dropout=0.0, causal=True):
        self.size, self.context, self.causal = size, context, causal
        self.embed = layers.Embedding(size + 1, units)
        self.dropout = keras_attention.Dropout(dropout)
        self.blocks = [
            keras_attention.TransformerEncoderBlock(
                heads,
                4 * units,
                dropout=dropout,
                norm="pre",
                activation="gelu",
                window=context - 1,
                rotary_base=10000.0,
            )
            for _ in range(blocks)
        ]
        self.norm = layers.LayerNormalization(epsilon=1e-6)
        self.output_layer = layers.Dense(size, dtype="float32")
        ids = keras.Input((None,), dtype="int32", name="ids")
        x = self.dropout(self.embed(ids))
        for block in self.blocks:
            x = block(x, use_causal_mask=causal)
        self.model = keras.Model(ids, self.read_out(x))

    def read_out(self, x):
        """Map the outputs of the last block (..., units) to logits (..., size)."""
        return self.output_layer(self.norm(x))

    def attention(self, ids):
        """Return the weights of every block for ids (batch, T): a list of (batch, heads, T, T)."""
        x, weights = self.embed(ids), []
        for block in self.blocks:
            x, scores = block(x, use_causal_mask=self.causal, return_attention_scores=True)
            weights.append(scores)
        return weights

    def sample(self, prompts, lengths, max_length, slots=None, **options):
        """Continue prompts by random characters; a key/value cache serves the earlier ones.

        Args:
            prompts: Ids (batch, P), each row padded on the right with any id from 0 to `size`.
            lengths: Number of ids of each prompt, (batch,), from 1 to P.
            max_length: Number of characters to write, an int or a scalar tensor.
            slots: Int, the size of the cache, at least P - 1 plus the characters to write. Needed
                if `max_length` is a tensor.
            **options: temperature, top_k, top_p and seed of `keras_attention.decoding.sample`.

        Returns:
            A `keras_attention.decoding.Decoded` of (batch, max_length).
        """
        slots = prompts.shape[1] - 1 + max_length if slots is None else slots
        tokens, state = self.begin(prompts, lengths, slots)
        return decoding.sample(self.step, state, tokens, NO_END, max_length, **options)

    def begin(self, prompts, lengths, slots):
        """Return each prompt's last id, and caches of `slots` tokens with the ids before it."""
        lengths = ops.convert_to_tensor(lengths)[:, None]
        index = ops.arange(prompts.shape[1], dtype=lengths.dtype)
        is_last = index == lengths - 1
        batch, x = ops.shape(prompts)[0], self.embed(prompts)
        caches = [block.get_initial_cache(batch, slots) for block in self.blocks]
        for number, block in enumerate(self.blocks):
            x, caches[number] = block(x, mask=index < lengths - 1, cache=caches[number])
        return ops.sum(ops.where(is_last, prompts, 0), axis=1), caches

    def step(self, tokens, caches, memory=None):
        """Return the logits after one more token of each row, and the caches."""
        x, extended = self.embed(tokens[:, None]), []
        for block, cache in zip(self.blocks, caches, strict=True):
            x, cache = block(x, cache=KeyValueCache(*cache))
            extended.append(cache)
        return self.read_out(x)[:, 0], extended, None

    def sample_without_cache(self, prompts, **options):
        """Continue prompts (batch, P) without padding up to `context`, for a comparison of speed.

        Every step computes the logits of a whole window again. The characters are those of
        `sample`.
        """
        count = prompts.shape[1]
        window = ops.pad(prompts, [(0, 0), (0, self.context - count)])
        places = ops.arange(self.context, dtype="int32")

        def step(tokens, state, memory):
            window, position = state
            is_place = places == position[:, None]
            window = ops.where(is_place, tokens[:, None], window)
            logits = self.model(window)
            logits = ops.sum(ops.where(is_place[..., None], logits, 0.0), axis=1)
            return logits, [window, position + 1], None

        state = [window, ops.full_like(prompts[:, 0], count - 1)]
        length = self.context - count + 1
        return decoding.sample(step, state, prompts[:, -1], NO_END, length, **options)
