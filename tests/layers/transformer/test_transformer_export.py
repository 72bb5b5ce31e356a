"""Cached greedy decoding with a stack of decoder blocks, exported and run by the C++ loader."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention import (
    DecoderBlockCache,
    PositionalEncoding,
    TransformerDecoderBlock,
    TransformerEncoderBlock,
    export,
)
from keras_attention.decoding import greedy
from keras_attention.export.checks.fresh_process import run_calls
from tests.layers.multi_head.multi_head_formulas import numpy

WORDS, WIDTH, LENGTH, START, END = 11, 6, 7, 1, 2
SOURCE = np.array([[3, 4, 5, 6, 7], [8, 9, 3, 0, 0], [10, 0, 0, 0, 0]], "int32")


def build_stack():
    """Build a functional model (source, target) -> logits, and its cached greedy decoding."""
    keras.utils.set_random_seed(0)
    source = keras.Input((None,), dtype="int32", name="source")
    target = keras.Input((None,), dtype="int32", name="target")
    embed = keras.layers.Embedding(WORDS, WIDTH, mask_zero=True, embeddings_initializer="normal")
    positions, emit = PositionalEncoding(scale=True), keras.layers.Dense(WORDS)
    encoder = TransformerEncoderBlock(2, 11, norm="pre")
    blocks = [
        TransformerDecoderBlock(2, 11, key_dim=4, norm="pre", window=3, rotary_base=20.0)
        for _ in range(2)
    ]
    memory, x = encoder(positions(embed(source))), positions(embed(target))
    for block in blocks:
        x = block(x, memory)
    model = keras.Model({"source": source, "target": target}, {"logits": emit(x)})
    rng = np.random.default_rng(1)
    model.set_weights([w + 0.5 * rng.normal(size=w.shape) for w in model.get_weights()])

    def decode(source):
        source_mask = ops.not_equal(source, 0)
        memory = encoder(positions(embed(source)))
        caches = [block.get_initial_cache(memory, LENGTH, source_mask) for block in blocks]

        def step(tokens, state, memory):
            x = positions(embed(ops.expand_dims(tokens, 1)), start=state[0].position)
            next_written = []
            for block, written, prepared in zip(blocks, state, memory, strict=True):
                cache = DecoderBlockCache(written, prepared)
                x, _, weights, cache = block(x, cache=cache, return_attention_scores=True)
                next_written.append(cache.written)
            return emit(x)[:, 0], next_written, ops.mean(weights[:, :, 0], axis=1)

        decoded = greedy(
            step,
            [cache.written for cache in caches],
            START,
            END,
            LENGTH,
            memory=[cache.memory for cache in caches],
            memory_mask=source_mask,
        )
        return {
            "tokens": decoded.tokens,
            "scores": decoded.scores,
            "alignments": decoded.alignments,
        }

    return model, decode


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="export needs the TensorFlow backend"
)
def test_exported_model_runs_cached_greedy_decoding(tmp_path):
    model, decode = build_stack()
    example = {"source": SOURCE, "target": SOURCE[:, :3]}
    spec = keras.InputSpec(shape=(None, None), dtype="int32", name="source")
    path = export.saved_model(
        model, tmp_path / "stack", signatures={"decode": (decode, [spec])}, example=example
    )
    sources = SOURCE, SOURCE[1:, :3], SOURCE[2:, :1]
    results = [decode(ops.convert_to_tensor(source)) for source in sources]
    assert len(set(numpy(results[0]["tokens"]).ravel())) > 2
    answers = run_calls(path, [("decode", {"source": source}) for source in sources])
    for actual, expected in zip(answers, results, strict=True):
        np.testing.assert_array_equal(actual["tokens"], numpy(expected["tokens"]))
        for name in ("scores", "alignments"):
            np.testing.assert_allclose(actual[name], numpy(expected[name]), rtol=1e-4, atol=1e-5)
