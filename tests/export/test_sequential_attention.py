"""Decoders whose attention depends on the previous weights, exported as a greedy search."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_attention
from keras_attention import decoding, export

if keras.backend.backend() != "tensorflow":
    pytest.skip("only TensorFlow exports", allow_module_level=True)

ATTENTIONS = {
    "location_aware": lambda: keras_attention.LocationAwareAttention(
        units=4, filters=2, width=3, window=2, cumulative=True
    ),
    "monotonic": lambda: keras_attention.MonotonicAttention(units=4, bias=0.5, chunk=2),
}


def make_search(attention):
    """Return a function from frames `(batch, T, 5)` and their mask to tokens and alignments."""
    decoder = keras_attention.AttentionDecoder(keras.layers.GRUCell(6), attention)
    embed, project = keras.layers.Embedding(7, 3), keras.layers.Dense(7)

    def step(tokens, state, memory):
        output, alignment, state = decoder.step(embed(tokens), state, memory)
        return project(output), state, alignment

    def search(frames, real):
        memory = decoder.prepare(frames, real)
        state = decoder.get_initial_state(ops.shape(frames)[0], memory=memory)
        found = decoding.greedy(step, state, 1, -1, 4, memory=memory, memory_mask=real)
        return {"tokens": found.tokens, "alignments": found.alignments}

    decoder(np.ones((1, 1, 3), "float32"), np.ones((1, 2, 5), "float32"))
    return search, [decoder, embed, project]


@pytest.mark.parametrize("name", ATTENTIONS)
def test_exported_search_gives_the_models_answers(name, tmp_path):
    search, layers = make_search(ATTENTIONS[name]())
    frames = np.random.default_rng(0).normal(size=(3, 8, 5)).astype("float32")
    real = np.arange(8) < np.array([[8], [5], [1]])
    expected = search(ops.convert_to_tensor(frames), ops.convert_to_tensor(real))
    specs = [
        export.Spec("frames", ("batch", "time", 5), "float32"),
        export.Spec("real", ("batch", "time"), "bool"),
    ]
    signatures = {"serving_default": (search, specs, layers)}
    path = export.saved_model(None, tmp_path / name, signatures)
    answers = export.run_in_c_loader(path, "serving_default", {"frames": frames, "real": real})
    np.testing.assert_array_equal(answers["tokens"], expected["tokens"])
    np.testing.assert_allclose(answers["alignments"], expected["alignments"], atol=1e-5)
    padded = np.pad(frames, ((0, 0), (0, 3), (0, 0)), constant_values=7)
    inputs = {"frames": padded, "real": np.pad(real, ((0, 0), (0, 3)))}
    answers = export.run_in_c_loader(path, "serving_default", inputs)
    np.testing.assert_array_equal(answers["tokens"], expected["tokens"])
