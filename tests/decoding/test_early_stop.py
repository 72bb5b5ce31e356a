"""The loops end as soon as the answer is certain, and not before."""

import contextlib

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention.decoding import beam_search, greedy
from tests.decoding.toy import table_step

END, A, B = 0, 1, 2
LIKELY_END = table_step([[1, 0, 0], [0.6, 0.3, 0.1], [0.6, 0.3, 0.1]])


def run_counted(decode, step, state, max_length, **options):
    """Decodes without compiling and returns the result and how often the step was called."""
    calls = []

    def counted(*given):
        calls.append(1)
        return step(*given)

    eager = contextlib.nullcontext()
    if keras.backend.backend() == "jax":
        import jax

        eager = jax.disable_jit()
    with eager:
        decoded = decode(counted, state, A, END, max_length, **options)
    return decoded, len(calls)


def test_greedy_stops_when_every_row_has_ended():
    def ends_at_2(tokens, state, memory):
        return ops.one_hot(ops.where(state >= 2, END, B), 3, dtype="float32"), state + 1, None

    decoded, calls = run_counted(greedy, ends_at_2, ops.convert_to_tensor([1, 2, 0]), 50)
    np.testing.assert_array_equal(ops.convert_to_numpy(decoded.lengths), [2, 1, 3])
    assert calls == 3


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        # 0.6 and 0.3 * 0.6 have ended after two steps, and 0.3 * 0.3 is the best that lives.
        ({}, 2),
        # One hypothesis is enough: 0.6 has ended, and 0.3 lives.
        ({"beam_width": 1}, 1),
        # What lives after n steps reaches n * log(0.3) / lp(50) at best, with lp(50) = 2.43; that
        # falls below the second best, log(0.18) / lp(2) = -1.61, at n = 4.
        ({"length_penalty": 0.4}, 4),
        # The shorter the better: to come is at best log(0.3) / lp(2), below log(0.18) / lp(2).
        ({"length_penalty": -1.0}, 2),
        # Nothing is certain before the end where a long sentence may still win.
        ({"length_penalty": 3.0}, 50),
    ],
)
def test_a_beam_stops_when_nothing_alive_can_win(options, expected):
    options = {"beam_width": 2, **options}
    _, calls = run_counted(beam_search, LIKELY_END, ops.zeros((1, 1)), 50, **options)
    assert calls == expected


def test_a_row_that_is_done_is_safe_from_the_others():
    lasting = table_step([[1, 0, 0], [0, 0, 1], [0.5, 0, 0.5]])

    def step(tokens, state, memory):  # the first row is done after two steps, and then breaks
        first = ops.where(state >= 2, np.nan, LIKELY_END(tokens, state, memory)[0])
        second = lasting(tokens, state, memory)[0]
        return ops.where(state < 0, second, first), state + 1, None

    state = ops.convert_to_tensor([[0.0], [-50.0]])
    decoded = beam_search(step, state, A, END, 9, 2)
    np.testing.assert_array_equal(ops.convert_to_numpy(decoded.lengths), [[1, 2], [2, 3]])
    scores = ops.convert_to_numpy(decoded.scores)
    np.testing.assert_allclose(scores, np.log([[0.6, 0.18], [0.5, 0.25]]), rtol=1e-6)
