"""LSTMNCell: against loops from the paper, its past, padding, shallow fusion."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_attention
from tests.finite_differences import GRAD_DTYPE as DTYPE

UNITS, WIDTH, STEPS = 4, 3, 6
TOLERANCE = 1e-12 if DTYPE == "float64" else 1e-5


def numpy(x):
    return ops.convert_to_numpy(x)


def data(batch=2, steps=STEPS):
    return np.random.default_rng(0).normal(size=(batch, steps, WIDTH)).astype(DTYPE)


def make_cell(max_length=STEPS, **options):
    options = {"attention_units": 5, "return_weights": True, "return_cells": True, **options}
    return keras_attention.LSTMNCell(UNITS, max_length, dtype=DTYPE, **options)


def run(cell, x, **options):
    rnn = keras.layers.RNN(cell, return_sequences=True, dtype=DTYPE)
    return rnn(x, **options)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def reference(x, kernel, bias, query_kernel, key_kernel, scale):
    """Return hidden states, weights and cells of one sequence `(T, D)`, by the paper's loops."""
    hidden, cells, rows = [], [], []
    summary = np.zeros(UNITS)
    for t in range(len(x)):
        scores = [
            scale @ np.tanh(h @ key_kernel + np.concatenate([x[t], summary]) @ query_kernel)
            for h in hidden
        ]
        weights = np.exp(scores) / np.sum(np.exp(scores)) if scores else np.zeros(0)
        summary = sum((w * h for w, h in zip(weights, hidden, strict=True)), np.zeros(UNITS))
        memory = sum((w * c for w, c in zip(weights, cells, strict=True)), np.zeros(UNITS))
        gates = np.concatenate([x[t], summary]) @ kernel + bias
        i, f, o, g = np.split(gates, 4)
        cells.append(sigmoid(f) * memory + sigmoid(i) * np.tanh(g))
        hidden.append(sigmoid(o) * np.tanh(cells[-1]))
        rows.append(np.pad(weights, (0, len(x) - t)))
    return np.stack(hidden), np.stack(rows), np.stack(cells)


def test_outputs_weights_and_cells_equal_loops():
    cell, x = make_cell(), data()
    cell.build((None, WIDTH))
    rng = np.random.default_rng(1)
    cell.set_weights([rng.normal(size=w.shape) for w in cell.weights])
    steps = cell.split_outputs(run(cell, x))
    for row, *actual in zip(x, *map(numpy, steps), strict=True):
        for array, expected in zip(actual, reference(row, *cell.get_weights()), strict=True):
            np.testing.assert_allclose(array, expected, atol=TOLERANCE)


def test_each_step_has_weights_over_exactly_the_past():
    steps = make_cell().split_outputs(run(make_cell(), data()))
    weights = numpy(steps.weights)
    past = np.tril(np.ones((2, STEPS, STEPS), bool), -1)
    np.testing.assert_array_equal(weights > 0, past)
    np.testing.assert_allclose(weights.sum(-1)[:, 1:], 1, atol=TOLERANCE)


def test_a_score_of_zero_reads_the_mean_of_the_past():
    cell, x = make_cell(), data(1, 4)
    rnn = keras.layers.RNN(cell, return_state=True, return_sequences=True, dtype=DTYPE)
    rnn.build(x.shape)
    cell.score.scale.assign(np.zeros(5))
    outputs, *states = rnn(x)
    mean = numpy(cell.split_outputs(outputs).outputs)[0, :3].mean(0)
    np.testing.assert_allclose(numpy(states[-2])[0], mean, atol=TOLERANCE)


def test_padded_steps_are_not_written():
    cell, x = make_cell(), data()
    mask = np.array([[True, False, True, True, False, True]] * 2)
    padded = numpy(run(cell, x, mask=mask))[:, mask[0]]
    shorter = numpy(run(cell, x[:, mask[0]]))
    np.testing.assert_allclose(padded, shorter, atol=TOLERANCE)


def test_steps_beyond_the_length_are_not_written():
    cell, x = make_cell(max_length=3), data()
    weights = numpy(cell.split_outputs(run(cell, x)).weights)
    assert weights.shape == (2, STEPS, 3)
    np.testing.assert_allclose(weights[:, 3:].sum(-1), 1, atol=TOLERANCE)
    longer = make_cell()
    longer.build((None, WIDTH))
    longer.set_weights(cell.get_weights())
    np.testing.assert_allclose(
        numpy(longer.split_outputs(run(longer, x)).outputs)[:, :4],
        numpy(cell.split_outputs(run(cell, x)).outputs)[:, :4],
        atol=TOLERANCE,
    )


def test_parts_that_are_not_returned_are_none():
    cell = make_cell(return_weights=False, return_cells=False)
    steps = cell.split_outputs(run(cell, data()))
    assert steps.outputs.shape == (2, STEPS, UNITS) and steps.weights is None is steps.cells
    with pytest.raises(ValueError, match="width 4. Received: outputs of shape"):
        cell.split_outputs(np.zeros((2, 5)))


def test_steps_of_a_decoder_equal_its_call():
    cell = make_cell(return_weights=False, return_cells=False)
    attention = keras_attention.AdditiveAttention(5, dtype=DTYPE)
    decoder = keras_attention.AttentionDecoder(cell, attention, dtype=DTYPE)
    inputs, memory = data(), data(steps=4)
    outputs = numpy(decoder(inputs, memory))
    prepared = decoder.prepare(memory)
    state = decoder.get_initial_state(2)
    for t in range(STEPS):
        output, _, state = decoder.step(inputs[:, t], state, prepared)
        np.testing.assert_allclose(numpy(output), outputs[:, t], atol=TOLERANCE)


@pytest.mark.parametrize("attend", ["before", "after"])
def test_appended_outputs_do_not_change_the_query_of_a_decoder(attend):
    inputs, memory = data(), data(steps=4)
    contexts, weights = [], None
    for options in ({}, {"return_weights": True}, {"return_cells": True}):
        cell = make_cell(**{"return_weights": False, "return_cells": False, **options})
        attention = keras_attention.AdditiveAttention(5, dtype=DTYPE)
        decoder = keras_attention.AttentionDecoder(
            cell, attention, attend, output_mode="attention", dtype=DTYPE
        )
        decoder(inputs, memory)
        weights = weights or decoder.get_weights()
        decoder.set_weights(weights)
        contexts.append(numpy(decoder(inputs, memory)))
    np.testing.assert_allclose(contexts[1], contexts[0], atol=TOLERANCE)
    np.testing.assert_allclose(contexts[2], contexts[0], atol=TOLERANCE)
