import functools

import numpy as np
import pytest
from keras import ops

from keras_attention.decoding import beam_search, greedy
from tests.decoding.search import rank_sentences, search_exhaustively, search_with_beam
from tests.decoding.toy import END, PAD, START, Toy

PENALTIES = [(0.0, 0.0), (0.6, 0.0), (1.0, 0.3), (2.0, 0.0), (-1.0, 0.2), (0.7, -0.2)]


def search(toy, max_length, width, alpha=0.0, beta=0.0, **changes):
    arguments = {
        "start_token": START,
        "end_token": END,
        "max_length": max_length,
        "beam_width": width,
        "length_penalty": alpha,
        "coverage_penalty": beta,
        "memory": toy.memory(),
        "memory_mask": toy.mask,
        "pad_token": PAD,
    }
    decoded = beam_search(toy.step, toy.state(), **{**arguments, **changes})
    return [None if part is None else ops.convert_to_numpy(part) for part in decoded]


def assert_same(decoded, expected):
    tokens, lengths, scores, alignments = decoded
    np.testing.assert_array_equal(tokens, expected[0])
    np.testing.assert_array_equal(lengths, expected[1])
    np.testing.assert_allclose(scores, expected[2], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(alignments, expected[3], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("alpha", "beta"), PENALTIES)
@pytest.mark.parametrize(("vocabulary", "max_length"), [(3, 5), (4, 4), (5, 3)])
def test_wide_beam_equals_exhaustive_search(vocabulary, max_length, alpha, beta):
    width = vocabulary * (vocabulary - 1) ** (max_length - 1)  # all candidates of the last step
    toy = Toy(seed=10 * vocabulary + max_length, vocabulary=vocabulary, batch=4)
    search_row = functools.partial(search_exhaustively, toy, max_length=max_length)
    expected = rank_sentences(toy, search_row, max_length, width, alpha, beta)
    assert_same(search(toy, max_length, width, alpha, beta), expected)


@pytest.mark.parametrize("seed", range(3))
def test_wide_beam_equals_exhaustive_search_in_every_language(seed):
    toy = Toy(seed, vocabulary=3, batch=4)
    search_row = functools.partial(search_exhaustively, toy, max_length=4)
    assert_same(search(toy, 4, 24, 0.6, 0.2), rank_sentences(toy, search_row, 4, 24, 0.6, 0.2))


def test_best_of_many_long_sentences_are_returned():
    toy = Toy(seed=3, vocabulary=5)
    search_row = functools.partial(search_exhaustively, toy, max_length=5)
    decoded = search(toy, 5, 5 * 4**4, 0.8, 0.1)
    expected = rank_sentences(toy, search_row, 5, 5 * 4**4, 0.8, 0.1)
    assert_same([part[:, :11] for part in decoded], [part[:, :11] for part in expected])


@pytest.mark.parametrize(("alpha", "beta"), PENALTIES)
@pytest.mark.parametrize("width", [1, 2, 5])
def test_narrow_beam_equals_the_plain_loop_without_early_stop(width, alpha, beta):
    toy = Toy(seed=10 * width, vocabulary=5, batch=4)
    search_row = functools.partial(search_with_beam, toy, max_length=7, width=width)
    assert_same(
        search(toy, 7, width, alpha, beta), rank_sentences(toy, search_row, 7, width, alpha, beta)
    )


def test_beam_of_width_one_equals_greedy_for_finished_and_unfinished_rows():
    has_ended = []
    for seed in range(6):
        toy = Toy(seed, vocabulary=5, batch=4)
        expected = greedy(
            toy.step, toy.state(), START, END, 5, toy.memory(), toy.mask, pad_token=PAD
        )
        expected = [ops.convert_to_numpy(part) for part in expected]
        assert_same([part[:, 0] for part in search(toy, 5, 1)], expected)
        has_ended += list((expected[0] == END).any(axis=1))
    assert 0 < np.mean(has_ended) < 1


def test_result_has_fixed_shapes_and_dtypes():
    tokens, lengths, scores, alignments = search(Toy(seed=0, batch=2, source=5), 7, 3)
    assert tokens.shape == (2, 3, 7)
    assert lengths.shape == scores.shape == (2, 3)
    assert alignments.shape == (2, 3, 7, 5)
    assert (tokens.dtype, lengths.dtype) == ("int32", "int32")
    assert (scores.dtype, alignments.dtype) == ("float32", "float32")


def test_without_mask_there_are_no_alignments_and_the_same_sentences():
    toy = Toy(seed=1)
    with_mask = search(toy, 5, 3, 0.6)
    without_mask = search(toy, 5, 3, 0.6, memory_mask=None)
    assert without_mask[3] is None
    for result, correct in zip(without_mask[:3], with_mask[:3], strict=True):
        np.testing.assert_array_equal(result, correct)


def test_every_row_can_have_its_own_start_token():
    toy = Toy(seed=2, vocabulary=5)
    batched = search(toy, 5, 3, start_token=ops.convert_to_tensor([2, 4]))
    for row, token in enumerate([2, 4]):
        expected = search(toy, 5, 3, start_token=token)
        assert_same([part[row] for part in batched], [part[row] for part in expected])


def test_rows_are_independent():
    toy = Toy(seed=4, vocabulary=5, batch=3)
    batched = search(toy, 7, 3, 0.6, 0.2)
    for row in range(3):
        single_row = Toy(seed=4, vocabulary=5, batch=3)
        single_row.batch = 1
        for name in ("first", "values", "mask"):
            setattr(single_row, name, getattr(toy, name)[row : row + 1])
        assert_same([part[row : row + 1] for part in batched], search(single_row, 7, 3, 0.6, 0.2))
