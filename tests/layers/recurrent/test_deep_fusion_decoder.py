"""DeepFusionDecoder: against loops from the paper, a closed gate, steps, padding."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_attention
from tests.finite_differences import GRAD_DTYPE as DTYPE

UNITS, STEPS, KEYS, WIDTH, MEMORY_WIDTH = 4, 5, 6, 3, 2
TOLERANCE = 1e-12 if DTYPE == "float64" else 1e-5


def numpy(x):
    return ops.convert_to_numpy(x)


def make_data():
    rng = np.random.default_rng(0)
    shapes = (2, STEPS, WIDTH), (2, KEYS, MEMORY_WIDTH), (2, KEYS, UNITS)
    return [rng.normal(size=shape).astype(DTYPE) for shape in shapes]


def make_decoder():
    decoder = keras_attention.DeepFusionDecoder(UNITS, STEPS, attention_units=7, dtype=DTYPE)
    decoder.build(*(x.shape for x in make_data()))
    rng = np.random.default_rng(1)
    decoder.set_weights([rng.normal(size=w.shape) for w in decoder.weights])
    return decoder


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def attend(query, keys, values, query_kernel, key_kernel, scale):
    """Return the weights of one query, and the weighted sum of the values."""
    scores = [scale @ np.tanh(query @ query_kernel + key @ key_kernel) for key in keys]
    weights = np.exp(scores) / np.sum(np.exp(scores))
    return weights, sum(w * value for w, value in zip(weights, values, strict=True))


def reference(x, memory, memory_cells, weights):
    """Return hidden states and alignments of one sequence, by the paper's loops."""
    gate_kernel, gate_bias, kernel, bias, *scores = weights
    past_score, source_score = scores[:3], scores[3:]
    hidden, cells, alignments = [], [], []
    summary, context = np.zeros(UNITS), np.zeros(MEMORY_WIDTH)
    sources = np.concatenate([memory, memory_cells], axis=-1)
    for inputs in x:
        past = np.zeros(2 * UNITS)
        if hidden:
            query = np.concatenate([inputs, summary])
            values = np.concatenate([hidden, cells], axis=-1)
            past = attend(query, hidden, values, *past_score)[1]
        summary = past[:UNITS]
        query = np.concatenate([inputs, context])
        alignment, source = attend(query, memory, sources, *source_score)
        context = source[:MEMORY_WIDTH]
        gate = sigmoid(np.concatenate([inputs, context]) @ gate_kernel + gate_bias)
        i, f, o, g = np.split(np.concatenate([inputs, summary]) @ kernel + bias, 4)
        cells.append(
            gate * source[MEMORY_WIDTH:] + sigmoid(f) * past[UNITS:] + sigmoid(i) * np.tanh(g)
        )
        hidden.append(sigmoid(o) * np.tanh(cells[-1]))
        alignments.append(alignment)
    return np.stack(hidden), np.stack(alignments)


def test_outputs_and_alignments_equal_loops():
    decoder, data = make_decoder(), make_data()
    outputs, alignments = decoder(*data, return_attention_scores=True)
    for row in range(2):
        expected = reference(*(x[row] for x in data), decoder.get_weights())
        for actual, array in zip((outputs, alignments), expected, strict=True):
            np.testing.assert_allclose(numpy(actual)[row], array, atol=TOLERANCE)


def test_with_a_closed_gate_it_is_an_lstmn():
    decoder, data = make_decoder(), make_data()
    decoder.gate_kernel.assign(np.zeros(decoder.gate_kernel.shape))
    decoder.gate_bias.assign(np.full(UNITS, -1e4))
    expected = keras.layers.RNN(decoder.cell, return_sequences=True, dtype=DTYPE)(data[0])
    np.testing.assert_allclose(numpy(decoder(*data)), numpy(expected), atol=TOLERANCE)


def test_steps_equal_the_call():
    decoder, (inputs, memory, cells) = make_decoder(), make_data()
    mask = np.arange(KEYS) < np.array([[KEYS], [3]])
    outputs = numpy(decoder(inputs, memory, cells, memory_mask=mask))
    prepared, state = decoder.prepare(memory, cells, mask), decoder.get_initial_state(2)
    for t in range(STEPS):
        output, _, state = decoder.step(inputs[:, t], state, prepared)
        np.testing.assert_allclose(numpy(output), outputs[:, t], atol=TOLERANCE)


def test_padded_steps_are_skipped():
    decoder, (inputs, memory, cells) = make_decoder(), make_data()
    mask = np.array([[True, False, True, True, False]] * 2)
    padded = numpy(decoder(inputs, memory, cells, inputs_mask=mask))
    shorter = numpy(decoder(inputs[:, mask[0]], memory, cells))
    np.testing.assert_allclose(padded[:, mask[0]], shorter, atol=TOLERANCE)
    assert not padded[:, ~mask[0]].any()


def test_cells_of_another_width_are_refused():
    decoder, (inputs, memory, cells) = make_decoder(), make_data()
    with pytest.raises(ValueError, match="Expected `memory_cells` of shape.*Received"):
        decoder(inputs, memory, cells[..., :-1])


def test_more_steps_than_it_keeps_are_refused():
    decoder, (inputs, memory, cells) = make_decoder(), make_data()
    with pytest.raises(ValueError, match="at most max_length=5 steps"):
        decoder(np.repeat(inputs, 2, axis=1), memory, cells)


def test_a_state_before_build_is_refused():
    with pytest.raises(ValueError, match="Expected a built decoder"):
        keras_attention.DeepFusionDecoder(3, 4).get_initial_state(2)
