"""Decoding loops stop as soon as the result is certain, and not before."""

import contextlib

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention.decoding import beam_search, greedy
from tests.decoding.toy import table_step

END, A, B = 0, 1, 2
LIKELY_END = table_step([[1, 0, 0], [0.6, 0.3, 0.1], [0.6, 0.3, 0.1]])


def run_and_count_steps(decode, step, state, max_length, **options):
    """Decode without compiling; return the result and the number of calls of the step."""
    calls = []

    def count_and_step(*arguments):
        calls.append(1)
        return step(*arguments)

    eager = contextlib.nullcontext()
    if keras.backend.backend() == "jax":
        import jax

        eager = jax.disable_jit()
    with eager:
        decoded = decode(count_and_step, state, A, END, max_length, **options)
    return decoded, len(calls)


def test_greedy_stops_when_every_row_has_ended():
    def end_at_state_2(tokens, state, memory):
        return ops.one_hot(ops.where(state >= 2, END, B), 3, dtype="float32"), state + 1, None

    decoded, calls = run_and_count_steps(
        greedy, end_at_state_2, ops.convert_to_tensor([1, 2, 0]), 50
    )
    np.testing.assert_array_equal(ops.convert_to_numpy(decoded.lengths), [2, 1, 3])
    assert calls == 3


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        # 0.6 and 0.3 * 0.6 have ended after two steps; the best live one has 0.3 * 0.3.
        ({}, 2),
        # One hypothesis is enough: 0.6 has ended, and the live one has 0.3.
        ({"beam_width": 1}, 1),
        # Live hypotheses after n steps reach at most n * log(0.3) / lp(50), with lp(50) = 2.43;
        # that is less than the second best, log(0.18) / lp(2) = -1.61, from n = 4.
        ({"length_penalty": 0.4}, 4),
        # Short sentences are favored: live ones reach at most log(0.3) / lp(2), which is less than
        # log(0.18) / lp(2).
        ({"length_penalty": -1.0}, 2),
        # A long sentence can still win, so nothing is certain before the end.
        ({"length_penalty": 3.0}, 50),
    ],
)
def test_beam_stops_when_no_live_hypothesis_can_win(options, expected):
    options = {"beam_width": 2, **options}
    _, calls = run_and_count_steps(beam_search, LIKELY_END, ops.zeros((1, 1)), 50, **options)
    assert calls == expected


def test_finished_row_is_unaffected_by_further_steps_of_others():
    slow = table_step([[1, 0, 0], [0, 0, 1], [0.5, 0, 0.5]])

    def step(tokens, state, memory):  # The first row ends after two steps; then its logits are NaN.
        first = ops.where(state >= 2, np.nan, LIKELY_END(tokens, state, memory)[0])
        second = slow(tokens, state, memory)[0]
        return ops.where(state < 0, second, first), state + 1, None

    state = ops.convert_to_tensor([[0.0], [-50.0]])
    decoded = beam_search(step, state, A, END, 9, 2)
    np.testing.assert_array_equal(ops.convert_to_numpy(decoded.lengths), [[1, 2], [2, 3]])
    scores = ops.convert_to_numpy(decoded.scores)
    np.testing.assert_allclose(scores, np.log([[0.6, 0.18], [0.5, 0.25]]), rtol=1e-6)
