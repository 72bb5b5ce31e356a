"""A small stack of decoder blocks in this package's decoding loops: cached = not cached."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention import DecoderBlockCache, PositionalEncoding, TransformerDecoderBlock
from keras_attention.decoding import beam_search, greedy
from keras_attention.testing.evaluate import compile_function as compiled
from tests.layers.multi_head.multi_head_formulas import numpy, seeded

VOCABULARY, WIDTH, LENGTH, START, END = 7, 6, 9, 0, 1
MEMORY = np.random.default_rng(0).normal(size=(2, 5, WIDTH)).astype("float32")
REAL = np.arange(5) < np.array([[5], [3]])


class Decoder:
    """Embedding, positions, two blocks, logits, and a habit that keeps it from one word forever."""

    def __init__(self, **options):
        token, target = np.zeros((2, 1), "int32"), np.zeros((2, 1, WIDTH), "float32")
        self.embed = seeded(keras.layers.Embedding(VOCABULARY, WIDTH), token)
        self.habit = keras.layers.Embedding(VOCABULARY, VOCABULARY)
        self.habit(token)
        rng = np.random.default_rng(2)
        self.habit.set_weights(
            [5 * rng.normal(size=(VOCABULARY, VOCABULARY)) - 20 * np.eye(VOCABULARY)]
        )
        self.place = PositionalEncoding(scale=True)
        self.place(target)
        self.blocks = [
            seeded(TransformerDecoderBlock(2, 11, norm=norm, **options), target, MEMORY)
            for norm in ("post", "pre")
        ]
        self.emit = seeded(keras.layers.Dense(VOCABULARY), target)

    def whole(self, tokens):
        """Logits (B,T,V) and the last block's weights on the memory, all at once."""
        rows = ops.shape(tokens)[0] // 2
        memory, real = (np.repeat(x, rows, axis=0) for x in (MEMORY, REAL))
        x = self.place(self.embed(tokens))
        for block in self.blocks:
            x, _, weights = block(x, memory, memory_mask=real, return_attention_scores=True)
        return self.emit(x) + self.habit(tokens), weights

    def cached(self):
        """A step, its first state, and the memory that no step changes."""
        caches = [b.get_initial_cache(MEMORY, LENGTH, REAL) for b in self.blocks]

        def step(tokens, state, memory):
            start = state[0].position
            x = self.place(self.embed(ops.expand_dims(tokens, 1)), start=start)
            following = []
            for block, written, read in zip(self.blocks, state, memory, strict=True):
                cache = DecoderBlockCache(written, read)
                x, _, weights, cache = block(x, cache=cache, return_attention_scores=True)
                following.append(cache.written)
            logits = self.emit(x)[:, 0] + self.habit(tokens)
            return logits, following, ops.mean(weights[:, :, 0], axis=1)

        return step, [c.written for c in caches], [c.memory for c in caches]

    def uncached(self):
        """The same without a cache: the state is what was written, all of it read every time."""

        def step(tokens, state, memory):
            written, index = state
            place = ops.arange(LENGTH, dtype="int32") == index[:, None]
            written = ops.where(place, tokens[:, None], written)
            logits, weights = self.whole(written)
            now = ops.cast(ops.one_hot(index, LENGTH), "float32")
            logits = ops.einsum("btv,bt->bv", logits, now)
            weights = ops.einsum("bhts,bt->bs", weights, now) / 2
            return logits, [written, index + 1], weights

        return step, [ops.zeros((2, LENGTH), "int32"), ops.zeros((2,), "int32")], None


OPTIONS = {
    "plain": {},
    "all": {"num_key_value_heads": 1, "window": 3, "rotary_base": 20.0, "key_dim": 4},
}
SEARCHES = {
    "greedy": greedy,
    "beam": lambda *args, **kwargs: beam_search(*args, **kwargs, beam_width=3, length_penalty=0.6),
}


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("search", SEARCHES)
def test_a_cached_search_finds_what_an_uncached_one_finds(options, search):
    decoder = Decoder(**OPTIONS[options])

    def run(make):
        step, state, memory = make()
        return SEARCHES[search](
            step, state, START, END, LENGTH, memory=memory, memory_mask=ops.convert_to_tensor(REAL)
        )

    wanted = run(decoder.uncached)
    assert len(set(numpy(wanted.tokens).ravel())) > 2
    for found in (run(decoder.cached), compiled(lambda: tuple(run(decoder.cached)))()):
        tokens, lengths, scores, alignments = map(numpy, found)
        np.testing.assert_array_equal(tokens, numpy(wanted.tokens))
        np.testing.assert_array_equal(lengths, numpy(wanted.lengths))
        np.testing.assert_allclose(scores, numpy(wanted.scores), rtol=1e-4)
        np.testing.assert_allclose(alignments, numpy(wanted.alignments), atol=1e-4)


def test_the_logits_of_every_step_are_those_of_the_whole():
    decoder = Decoder(**OPTIONS["all"])
    tokens = np.random.default_rng(1).integers(0, VOCABULARY, size=(2, LENGTH))
    step, state, memory = decoder.cached()
    wanted = numpy(decoder.whole(tokens)[0])
    for i in range(LENGTH):
        logits, state, _ = step(ops.convert_to_tensor(tokens[:, i]), state, memory)
        np.testing.assert_allclose(numpy(logits), wanted[:, i], rtol=1e-4, atol=1e-4)
