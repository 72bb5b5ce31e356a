"""Decoder blocks with and without caches give equal results in this package's decoding loops."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention import DecoderBlockCache, PositionalEncoding, TransformerDecoderBlock
from keras_attention.decoding import beam_search, greedy
from keras_attention.testing.backends import compile_function as compiled
from tests.layers.multi_head.multi_head_formulas import build_seeded, numpy

VOCABULARY, WIDTH, LENGTH, START, END = 7, 6, 9, 0, 1
MEMORY = np.random.default_rng(0).normal(size=(2, 5, WIDTH)).astype("float32")
MEMORY_MASK = np.arange(5) < np.array([[5], [3]])


class Decoder:
    """A small decoder: embedding, positions, two blocks and logits.

    `repetition_logits` penalizes repeating a token; otherwise searches would repeat one token.
    """

    def __init__(self, **options):
        token, target = np.zeros((2, 1), "int32"), np.zeros((2, 1, WIDTH), "float32")
        self.embed = build_seeded(keras.layers.Embedding(VOCABULARY, WIDTH), token)
        self.repetition_logits = keras.layers.Embedding(VOCABULARY, VOCABULARY)
        self.repetition_logits(token)
        rng = np.random.default_rng(2)
        self.repetition_logits.set_weights(
            [5 * rng.normal(size=(VOCABULARY, VOCABULARY)) - 20 * np.eye(VOCABULARY)]
        )
        self.positions = PositionalEncoding(scale=True)
        self.positions(target)
        self.blocks = [
            build_seeded(TransformerDecoderBlock(2, 11, norm=norm, **options), target, MEMORY)
            for norm in ("post", "pre")
        ]
        self.emit = build_seeded(keras.layers.Dense(VOCABULARY), target)

    def run_all_positions(self, tokens):
        """Return logits (B,T,V) and the last block's weights on the memory for a whole sequence."""
        rows = ops.shape(tokens)[0] // 2
        memory, memory_mask = (np.repeat(x, rows, axis=0) for x in (MEMORY, MEMORY_MASK))
        x = self.positions(self.embed(tokens))
        for block in self.blocks:
            x, _, weights = block(x, memory, memory_mask=memory_mask, return_attention_scores=True)
        return self.emit(x) + self.repetition_logits(tokens), weights

    def make_step_with_caches(self):
        """Return a step with caches, its initial state, and the constant memory."""
        caches = [b.get_initial_cache(MEMORY, LENGTH, MEMORY_MASK) for b in self.blocks]

        def step(tokens, state, memory):
            start = state[0].position
            x = self.positions(self.embed(ops.expand_dims(tokens, 1)), start=start)
            next_written = []
            for block, written, projected in zip(self.blocks, state, memory, strict=True):
                cache = DecoderBlockCache(written, projected)
                x, _, weights, cache = block(x, cache=cache, return_attention_scores=True)
                next_written.append(cache.written)
            logits = self.emit(x)[:, 0] + self.repetition_logits(tokens)
            return logits, next_written, ops.mean(weights[:, :, 0], axis=1)

        return step, [c.written for c in caches], [c.memory for c in caches]

    def make_step_without_caches(self):
        """Return a step without caches: every step runs the blocks on the whole target so far."""

        def step(tokens, state, memory):
            written, index = state
            is_current = ops.arange(LENGTH, dtype="int32") == index[:, None]
            written = ops.where(is_current, tokens[:, None], written)
            logits, weights = self.run_all_positions(written)
            current_step = ops.cast(ops.one_hot(index, LENGTH), "float32")
            logits = ops.einsum("btv,bt->bv", logits, current_step)
            weights = ops.einsum("bhts,bt->bs", weights, current_step) / 2
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


@pytest.mark.parametrize(
    ("search", "options"),
    [
        ("greedy", "plain"),
        ("beam", "all"),
        pytest.param("greedy", "all", marks=pytest.mark.ci),
        pytest.param("beam", "plain", marks=pytest.mark.ci),
    ],
)
def test_cached_search_equals_uncached_search(search, options):
    decoder = Decoder(**OPTIONS[options])

    def run(make):
        step, state, memory = make()
        return SEARCHES[search](
            step,
            state,
            START,
            END,
            LENGTH,
            memory=memory,
            memory_mask=ops.convert_to_tensor(MEMORY_MASK),
        )

    expected = run(decoder.make_step_without_caches)
    assert len(set(numpy(expected.tokens).ravel())) > 2
    for actual in (
        run(decoder.make_step_with_caches),
        compiled(lambda: tuple(run(decoder.make_step_with_caches)))(),
    ):
        tokens, lengths, scores, alignments = map(numpy, actual)
        np.testing.assert_array_equal(tokens, numpy(expected.tokens))
        np.testing.assert_array_equal(lengths, numpy(expected.lengths))
        np.testing.assert_allclose(scores, numpy(expected.scores), rtol=1e-4)
        np.testing.assert_allclose(alignments, numpy(expected.alignments), atol=1e-4)


def test_logits_of_every_step_equal_those_of_the_whole_sequence():
    decoder = Decoder(**OPTIONS["all"])
    tokens = np.random.default_rng(1).integers(0, VOCABULARY, size=(2, LENGTH))
    step, state, memory = decoder.make_step_with_caches()
    expected = numpy(decoder.run_all_positions(tokens)[0])
    for i in range(LENGTH):
        logits, state, _ = step(ops.convert_to_tensor(tokens[:, i]), state, memory)
        np.testing.assert_allclose(numpy(logits), expected[:, i], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("search", SEARCHES)
def test_search_after_prompts_of_different_lengths_matches_a_search_of_each_row(search):
    decoder = Decoder(**OPTIONS["all"])
    tokens = np.array([[START, 2, 0, 0], [START, 4, 3, 2]])
    lengths, last = np.array([2, 4]), np.array([5, 6])

    def run(rows):
        """Pass the prompts of some rows through caches, padded on the right, and decode."""
        prompt = tokens[rows][:, : lengths[rows].max()]
        mask = np.arange(prompt.shape[1]) < lengths[rows][:, None]
        x, caches = decoder.positions(decoder.embed(prompt)), []
        for block in decoder.blocks:
            cache = block.get_initial_cache(MEMORY[rows], LENGTH + 4, MEMORY_MASK[rows])
            x, cache = block(x, inputs_mask=mask, cache=cache)
            caches.append(cache)
        step = decoder.make_step_with_caches()[0]
        state, memory = [c.written for c in caches], [c.memory for c in caches]
        return SEARCHES[search](step, state, last[rows], END, LENGTH, memory=memory)

    batched, single_rows = run([0, 1]), [run([0]), run([1])]
    for row in range(2):
        np.testing.assert_array_equal(numpy(batched.tokens)[row], numpy(single_rows[row].tokens)[0])
        scores, expected = numpy(batched.scores)[row], numpy(single_rows[row].scores)[0]
        np.testing.assert_allclose(scores, expected, rtol=1e-4)
