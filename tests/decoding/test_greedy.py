import numpy as np
import pytest
from keras import ops

from keras_attention.decoding import Decoded, greedy
from tests.decoding.toy import END, PAD, START, Toy


def decode(toy, max_length=7, **changes):
    arguments = {
        "start_token": START,
        "end_token": END,
        "max_length": max_length,
        "memory": toy.memory(),
        "memory_mask": toy.mask,
        "pad_token": PAD,
    }
    decoded = greedy(toy.step, toy.state(), **{**arguments, **changes})
    assert isinstance(decoded, Decoded)
    return [None if part is None else ops.convert_to_numpy(part) for part in decoded]


def decode_row(toy, row, max_length, start=START):
    """Decode one sentence in numpy."""
    tokens, total, alignments = np.full(max_length, PAD), 0.0, np.zeros((max_length, 5))
    token, state = start, toy.start(row)
    for index in range(max_length):
        log_probabilities, state, alignments[index] = toy.advance(token, state, row)
        token = tokens[index] = log_probabilities.argmax()
        total += log_probabilities.max()
        if token == END:
            break
    return tokens, index + 1, total, alignments


def assert_same(decoded, expected):
    for part, rows in zip(decoded, zip(*expected, strict=True), strict=True):
        np.testing.assert_allclose(part, np.stack(rows), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("max_length", [1, 2, 7])
def test_greedy_returns_the_most_probable_token_of_every_step_until_the_end(max_length):
    lengths = []
    for seed in range(5):
        toy = Toy(seed, vocabulary=5, batch=4)
        decoded = decode(toy, max_length)
        assert_same(decoded, [decode_row(toy, row, max_length) for row in range(4)])
        lengths += list(decoded[1])
    assert max_length == 1 or len(set(lengths)) > 1  # Rows end at different steps.


def test_result_has_fixed_shapes_and_dtypes():
    tokens, lengths, scores, alignments = decode(Toy(seed=0, batch=2, source=5), 11)
    assert tokens.shape == (2, 11)
    assert lengths.shape == scores.shape == (2,)
    assert alignments.shape == (2, 11, 5)
    assert (tokens.dtype, lengths.dtype) == ("int32", "int32")
    assert (scores.dtype, alignments.dtype) == ("float32", "float32")


def test_without_mask_there_are_no_alignments_and_the_same_sentences():
    toy = Toy(seed=1)
    with_mask, without_mask = decode(toy), decode(toy, memory_mask=None)
    assert without_mask[3] is None
    for result, correct in zip(without_mask[:3], with_mask[:3], strict=True):
        np.testing.assert_array_equal(result, correct)


def test_every_row_can_have_its_own_start_token():
    toy = Toy(seed=2, vocabulary=5)
    decoded = decode(toy, start_token=np.array([2, 4]))
    assert_same(decoded, [decode_row(toy, 0, 7, start=2), decode_row(toy, 1, 7, start=4)])


def test_pad_token_can_be_the_end_token():
    toy = Toy(seed=2, vocabulary=5)
    expected, decoded = decode(toy), decode(toy, pad_token=END)
    np.testing.assert_array_equal(np.where(expected[0] == PAD, END, expected[0]), decoded[0])
    np.testing.assert_array_equal(expected[1], decoded[1])


def test_end_token_outside_of_the_vocabulary_never_ends_a_row():
    toy = Toy(seed=0, vocabulary=3)
    tokens, lengths, _, _ = decode(toy, end_token=-1)
    np.testing.assert_array_equal(lengths, [7, 7])
    assert (tokens != PAD).all()


def test_impossible_token_scores_the_lowest_float32_instead_of_nan():
    def return_impossible_logits(tokens, state, memory):
        return ops.full((2, 3), -np.inf), state, None

    decoded = greedy(return_impossible_logits, ops.zeros((2, 1)), START, END, max_length=3)
    np.testing.assert_array_equal(
        ops.convert_to_numpy(decoded.scores), [np.finfo("float32").min] * 2
    )


def test_half_precision_logits_are_normalized_in_float32():
    logits = np.linspace(-3, 3, 2003)

    def return_bfloat16_logits(tokens, state, memory):
        row = ops.cast(ops.convert_to_tensor(logits[None].astype("float32")), "bfloat16")
        return row, state, None

    decoded = greedy(return_bfloat16_logits, ops.zeros((1, 1)), START, END, max_length=1)
    rounded = ops.convert_to_numpy(
        ops.cast(return_bfloat16_logits(None, None, None)[0], "float32")
    ).astype("float64")
    expected = rounded.max() - np.log(np.exp(rounded).sum())
    np.testing.assert_allclose(ops.convert_to_numpy(decoded.scores), [expected], rtol=1e-5)
