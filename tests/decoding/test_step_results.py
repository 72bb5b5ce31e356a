"""Errors for invalid results of a decoding step; NaN logits never reach a score."""

import functools
from collections import OrderedDict

import numpy as np
import pytest
from keras import ops

from keras_attention.decoding import beam_search, greedy

DECODERS = [greedy, functools.partial(beam_search, beam_width=2)]
MASK = np.ones((3, 7), bool)


def decode_with(decode, step, state, memory_mask=MASK):
    return decode(step, state, 0, 1, max_length=3, memory_mask=memory_mask)


@pytest.mark.parametrize("decode", DECODERS)
@pytest.mark.parametrize(
    ("make_result", "message"),
    [
        (lambda n, state: (ops.zeros((n, 5)), [state, state], None), "a state of 2"),
        (lambda n, state: (ops.zeros((n, 5)), ops.zeros((n, 3)), None), "in place of"),
        (lambda n, state: (ops.zeros((n, 1, 5)), state, None), "logits of shape"),
        (lambda n, state: (ops.zeros((1, 5)), state, None), r"logits of shape \(1, 5\)"),
        (lambda n, state: (ops.zeros((n + 1, 5)), state, None), "logits of shape"),
        (lambda n, state: (None, state, None), "the logits that `step` returns"),
        (lambda n, state: (ops.zeros((n, 5)), state, ops.zeros((n, 1))), "as long as"),
        (lambda n, state: (ops.zeros((n, 5)), state, ops.zeros((1, 7))), r"alignment of .*\(1, 7"),
        (lambda n, state: (ops.zeros((n, 5)), state, ops.zeros(7)), r"alignment of shape \(7,\)"),
        (lambda n, state: (ops.zeros((n, 5)), state), r"\(logits, state, alignment\).* tuple of 2"),
        (lambda n, state: ops.zeros((n, 5)), r"\(logits, state, alignment\), "),
        (lambda n, state: None, "Received: NoneType"),
    ],
)
def test_result_of_wrong_shapes_is_refused(decode, make_result, message):
    def return_result(tokens, state, memory):
        return make_result(tokens.shape[0], state)

    with pytest.raises(ValueError, match=message):
        decode_with(decode, return_result, ops.zeros((3, 2)))


@pytest.mark.parametrize("decode", DECODERS)
@pytest.mark.parametrize(
    "change",
    [
        lambda state: {"c": state["a"], "b": state["b"]},
        lambda state: [state["a"], state["b"]],
        lambda state: {"a": (state["a"],), "b": state["b"]},
        lambda state: {"a": state["a"], "b": None},
    ],
)
def test_state_of_another_structure_is_refused(decode, change):
    def change_structure(tokens, state, memory):
        return ops.zeros((ops.shape(tokens)[0], 5)), change(state), None

    state = {"a": ops.zeros((3, 2)), "b": ops.zeros((3, 2))}
    with pytest.raises(ValueError, match="Expected .* state"):
        decode_with(decode, change_structure, state, None)


def test_state_returned_as_a_list_is_passed_on_as_a_tuple():
    def return_list(tokens, state, memory):
        assert isinstance(state, tuple)
        return ops.zeros((ops.shape(tokens)[0], 5)), list(state), None

    decode_with(greedy, return_list, (ops.zeros((3, 2)), ops.zeros((3, 2))), None)


def test_state_dict_in_another_order_is_matched_by_key():
    def reorder(tokens, state, memory):
        logits = ops.one_hot(ops.cast(state["a"], "int32"), 5, dtype="float32")
        return logits, OrderedDict(b=state["b"], a=state["a"]), None

    state = {"a": ops.full((3,), 2), "b": ops.full((3,), 3)}
    tokens = ops.convert_to_numpy(decode_with(greedy, reorder, state, None).tokens)
    np.testing.assert_array_equal(tokens, np.full((3, 3), 2))


@pytest.mark.parametrize("decode", DECODERS)
@pytest.mark.parametrize(
    ("logits", "token", "probability"),
    [
        ([np.nan, 0, 1], 2, np.exp(1) / (1 + np.exp(1))),
        ([0, np.inf, np.nan], 1, 1.0),
        ([np.nan] * 3, None, None),
    ],
)
def test_nan_logits_give_finite_scores(decode, logits, token, probability):
    def return_logits(tokens, state, memory):
        row = ops.convert_to_tensor(np.array([logits], "float32"))
        return ops.repeat(row, tokens.shape[0], axis=0), state, None

    decoded = decode(return_logits, ops.zeros((3, 2)), 0, end_token=-1, max_length=5)
    tokens, scores = (
        np.reshape(ops.convert_to_numpy(part), (3, *rest))
        for part, rest in ((decoded.tokens, (-1, 5)), (decoded.scores, (-1,)))
    )
    assert np.isfinite(scores).all()
    if token is None:
        assert (scores == np.finfo("float32").min).all()
    else:
        np.testing.assert_array_equal(tokens[:, 0], np.full((3, 5), token))
        np.testing.assert_allclose(scores[:, 0], 5 * np.log(probability), rtol=1e-6)
