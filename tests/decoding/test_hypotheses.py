"""Beam search in hand-made languages, each of which tests one property."""

import numpy as np
from keras import ops

from keras_attention.decoding import beam_search
from tests.decoding.toy import table_step

END, A, B = 0, 1, 2
MIN_SCORE = np.finfo("float32").min


def decode(step, max_length, width, mask=None, **penalties):
    mask = None if mask is None else np.array([mask])
    decoded = beam_search(
        step, ops.zeros((1, 1)), A, END, max_length, width, memory_mask=mask, **penalties
    )
    return [None if part is None else ops.convert_to_numpy(part)[0] for part in decoded]


def test_length_penalty_changes_the_best_sentence():
    # Ending immediately has probability 0.4; A A A end has 0.6 * 0.6 * 0.6 * 0.4, about 0.09.
    short_or_long = table_step([[1, 0, 0], [0.4, 0.6, 0], [1, 0, 0]])
    tokens, lengths, scores, _ = decode(short_or_long, 4, 3)
    np.testing.assert_array_equal(tokens[0], [END, 0, 0, 0])
    np.testing.assert_allclose(scores[0], np.log(0.4), rtol=1e-6)

    tokens, lengths, scores, _ = decode(short_or_long, 4, 3, length_penalty=5.0)
    np.testing.assert_array_equal(tokens[0], [A, A, A, END])
    np.testing.assert_array_equal(lengths, [4, 3, 2])
    expected = np.log(0.6**3 * 0.4) / ((5 + 4) / 6) ** 5
    np.testing.assert_allclose(scores[0], expected, rtol=1e-6)


# After A, the end has probability 0.5 and B 0.3. A attends to the first source word, B to the
# second.
TRANSITIONS = [[1, 0, 0], [0.5, 0.2, 0.3], [0.9, 0.1, 0]]


def test_coverage_penalty_changes_the_best_sentence():
    step = table_step(TRANSITIONS, alignments=[[0, 0], [0.9, 0.1], [0.1, 0.9]])
    tokens, *_ = decode(step, 3, 4, mask=[True, True])
    np.testing.assert_array_equal(tokens[0], [END, 0, 0])

    tokens, lengths, scores, weights = decode(step, 3, 4, mask=[True, True], coverage_penalty=1.0)
    np.testing.assert_array_equal(tokens[0], [B, END, 0])
    np.testing.assert_allclose(weights[0], [[0.9, 0.1], [0.1, 0.9], [0, 0]], rtol=1e-6)
    np.testing.assert_allclose(
        scores[0], np.log(0.3 * 0.9), rtol=1e-6
    )  # Full coverage costs nothing.


def test_coverage_ignores_padding_even_if_it_is_nan():
    step = table_step(TRANSITIONS, alignments=[[0, 0], [1.0, np.nan], [1.0, np.nan]])
    tokens, _, scores, _ = decode(step, 3, 4, mask=[True, False], coverage_penalty=1.0)
    np.testing.assert_array_equal(tokens[0], [END, 0, 0])
    np.testing.assert_allclose(scores[0], np.log(0.5), rtol=1e-6)


def test_finished_hypothesis_does_not_change():
    step = table_step(TRANSITIONS, alignments=[[0.5, 0.5], [0.9, 0.1], [0.1, 0.9]])
    one_step = decode(step, 1, 1, mask=[True, True], coverage_penalty=0.3)
    eleven_steps = decode(step, 11, 4, mask=[True, True], coverage_penalty=0.3)
    slot = list(eleven_steps[1]).index(1)
    assert eleven_steps[0][slot].tolist() == [END] + [0] * 10
    np.testing.assert_array_equal(eleven_steps[2][slot], one_step[2][0])
    np.testing.assert_array_equal(eleven_steps[3][slot, 0], one_step[3][0, 0])
    assert not eleven_steps[3][slot, 1:].any()


def test_unfinished_hypotheses_fill_the_slots_after_finished_ones():
    # The end is possible only after B, with probability 0.01; A A is far more probable but has
    # no end.
    step = table_step([[1, 0, 0], [0, 0.5, 0.5], [0.01, 0.99, 0]])
    tokens, lengths, scores, _ = decode(step, 2, 5, length_penalty=1.0)
    np.testing.assert_array_equal(tokens[0], [B, END])
    np.testing.assert_array_equal(tokens[1], [B, A])
    assert sorted(map(tuple, tokens[2:4].tolist())) == [(A, A), (A, B)]
    np.testing.assert_array_equal(lengths, [2, 2, 2, 2, 0])
    logs = np.log([0.005, 0.495, 0.25, 0.25])
    np.testing.assert_allclose(scores[:4], logs / (7 / 6), rtol=1e-5)
    assert scores[4] == MIN_SCORE


def test_slots_without_a_hypothesis_are_empty():
    step = table_step([[0.7, 0.3], [0.7, 0.3]], alignments=[[1.0], [1.0]])
    decoded = beam_search(
        step, ops.zeros((1, 1)), A, END, 2, 5, memory_mask=np.ones((1, 1), bool), pad_token=-9
    )
    tokens, lengths, scores, weights = (ops.convert_to_numpy(part)[0] for part in decoded)
    np.testing.assert_array_equal(tokens, [[0, -9], [1, 0], [1, 1], [-9, -9], [-9, -9]])
    np.testing.assert_array_equal(lengths, [1, 2, 2, 0, 0])
    np.testing.assert_allclose(scores[:3], np.log([0.7, 0.21, 0.09]), rtol=1e-5)
    assert (scores[3:] == MIN_SCORE).all()
    assert not weights[3:].any()


def test_hypothesis_without_a_possible_token_is_dropped():
    dead_end = table_step([[1, 0, 0], [0.1, 0.1, 0.8], [0, 0, 0]])  # No token can follow B.
    tokens, lengths, scores, _ = decode(dead_end, 3, 4)
    np.testing.assert_array_equal(tokens[0], [END, 0, 0])
    np.testing.assert_array_equal(tokens[1], [A, END, 0])
    assert np.isfinite(scores).all()
