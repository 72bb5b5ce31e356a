import functools
from typing import Any, NamedTuple

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention.decoding import beam_search, greedy, sample

DECODERS = [greedy, sample, functools.partial(beam_search, beam_width=2)]


class Pair(NamedTuple):
    first: Any
    second: Any


def step(tokens, state, memory):
    return ops.zeros((ops.shape(tokens)[0], 5)), state, None


def arguments(**changes):
    defaults = {"start_token": 0, "end_token": 1, "max_length": 3}
    return {"step": step, "state": ops.zeros((3, 2)), **defaults, **changes}


@pytest.mark.parametrize("decode", DECODERS)
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"max_length": 0}, "max_length=0"),
        ({"max_length": 2.5}, "max_length=2.5"),
        ({"max_length": True}, "max_length=True"),
        ({"end_token": 1.0}, "end_token=1.0"),
        ({"end_token": None}, "end_token=None"),
        ({"pad_token": "0"}, "pad_token='0'"),
        ({"start_token": 0.5}, "start_token=0.5"),
        ({"start_token": np.zeros((3, 1), int)}, "start_token="),
        ({"start_token": np.zeros(2, int)}, r"start_token.* = \(3,\).*array"),
        ({"start_token": np.zeros(1, int)}, r"start_token.* = \(3,\).*array"),
        ({"start_token": None}, "`start_token` .*None"),
        ({"start_token": "a"}, "`start_token` .*'a'"),
        ({"state": ()}, r"state=\(\)"),
        ({"state": {"a": None}}, "state={'a': None}"),
        ({"state": [np.float32(1.0)]}, "batch dimension"),
        ({"state": [np.zeros((3, 2)), np.zeros((1, 2))]}, "the same leading batch dimension"),
        ({"state": "abc"}, "`state` .*'abc'"),
        ({"state": [object()]}, "`state` .*object"),
        ({"memory_mask": np.ones(3, bool)}, r"memory_mask of shape \(3,\)"),
        ({"memory_mask": np.ones((2, 7), bool)}, r"\(3, any\).*memory_mask of shape \(2, 7\)"),
        ({"memory_mask": np.ones((1, 7), bool)}, r"\(3, any\).*memory_mask of shape \(1, 7\)"),
        ({"memory_mask": "ab"}, "`memory_mask` .*'ab'"),
        ({"memory_mask": np.full((3, 7), -1e9)}, "`memory_mask` to be bool, .* with the value -1e"),
        ({"memory_mask": np.ones((3, 7), bool)}, "alignment=None"),
        ({"step": None}, "step=None"),
    ],
)
def test_error_names_the_invalid_argument(decode, changes, message):
    with pytest.raises(ValueError, match=message):
        decode(**arguments(**changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"beam_width": 0}, "beam_width=0"),
        ({"beam_width": 2.0}, "beam_width=2.0"),
        ({"length_penalty": float("nan")}, "length_penalty=nan"),
        ({"length_penalty": "1"}, "length_penalty='1'"),
        ({"coverage_penalty": float("inf")}, "coverage_penalty=inf"),
        ({"coverage_penalty": 0.1}, "memory_mask=None"),
    ],
)
def test_beam_search_error_names_the_invalid_argument(changes, message):
    with pytest.raises(ValueError, match=message):
        beam_search(**arguments(**changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"temperature": -0.5}, "temperature=-0.5"),
        ({"temperature": float("nan")}, "temperature=nan"),
        ({"temperature": float("inf")}, "temperature=inf"),
        ({"temperature": None}, "temperature=None"),
        ({"temperature": True}, "temperature=True"),
        ({"temperature": "warm"}, "temperature='warm'"),
        ({"temperature": np.ones(2)}, r"`temperature` .* = \(3,\)"),
        ({"temperature": np.ones((3, 1))}, r"`temperature` .* = \(3,\)"),
        ({"temperature": np.ones(3, bool)}, "`temperature` .*number"),
        ({"top_k": 0}, "top_k=0"),
        ({"top_k": 2.0}, "top_k=2.0"),
        ({"top_k": True}, "top_k=True"),
        ({"top_p": 0}, "top_p=0"),
        ({"top_p": 1.1}, "top_p=1.1"),
        ({"top_p": float("nan")}, "top_p=nan"),
        ({"top_p": "all"}, "top_p='all'"),
        ({"top_p": np.ones(4)}, r"`top_p` .* = \(3,\)"),
        ({"seed": 1.5}, "seed=1.5"),
        ({"seed": True}, "seed=True"),
        ({"seed": 2**31}, "seed=2147483648"),
        ({"seed": "lucky"}, "seed='lucky'"),
        ({"seed": np.zeros(3)}, "integer tensor .*seed="),
        ({"seed": np.zeros(2, "int32")}, r"= \(3,\).*seed="),
        ({"seed": np.zeros((3, 2), "int32")}, r"= \(3,\).*seed="),
    ],
)
def test_sample_error_names_the_invalid_argument(changes, message):
    with pytest.raises(ValueError, match=message):
        sample(**arguments(**changes))


@pytest.mark.parametrize("decode", DECODERS)
@pytest.mark.parametrize(
    "state",
    [
        lambda leaf: leaf,
        lambda leaf: [leaf],
        lambda leaf: (leaf, [leaf, leaf]),
        lambda leaf: Pair(leaf, {"a": leaf, "b": (leaf,)}),
        lambda leaf: {"a": [leaf], "b": Pair(leaf, ())},
    ],
)
def test_step_receives_the_structure_of_the_state_argument(decode, state):
    expected = state(1)

    def check_arguments(tokens, state, memory):
        # repr distinguishes lists, tuples and named tuples; == does not.
        assert repr(keras.tree.map_structure(lambda leaf: 1, state)) == repr(expected)
        memory = keras.tree.map_structure(lambda leaf: leaf is None, memory)
        assert repr(memory) == repr(Pair(True, [False, {"scale": False}]))
        return ops.zeros((ops.shape(tokens)[0], 5)), state, None

    decode(
        **arguments(
            step=check_arguments,
            state=state(ops.zeros((3, 2))),
            memory=Pair(None, [np.ones(3), {"scale": 2}]),
        )
    )


@pytest.mark.parametrize("decode", DECODERS)
def test_state_keeps_its_dtypes(decode):
    def change_dtypes(tokens, state, memory):
        assert [keras.backend.standardize_dtype(leaf.dtype) for leaf in state] == dtypes
        new = [ops.cast(state[0], "float16"), state[1] + 1, ops.logical_not(state[2])]
        return ops.zeros((ops.shape(tokens)[0], 5)), new, None

    dtypes = ["float32", "int32", "bool"]
    decode(
        **arguments(step=change_dtypes, state=[ops.zeros((3, 2), dtype=dtype) for dtype in dtypes])
    )


@pytest.mark.parametrize("dtype", ["float32", "int32"])
def test_numeric_mask_gives_the_result_of_a_bool_mask(dtype):
    def attend(tokens, state, memory):
        rows = tokens.shape[0]
        return ops.zeros((rows, 5)), state, ops.ones((rows, 7)) / 7

    mask = np.arange(7) < np.array([[7], [5], [2]])
    scores, expected = (
        beam_search(**arguments(step=attend, memory_mask=m, coverage_penalty=0.5)).scores
        for m in (mask.astype(dtype), mask)
    )
    np.testing.assert_array_equal(ops.convert_to_numpy(scores), ops.convert_to_numpy(expected))


def test_beam_repeats_each_row_of_the_memory_for_its_own_hypotheses():
    rows = np.arange(3)

    def check_arguments(tokens, state, memory):
        is_same_row = ops.cast(ops.equal(state, memory), "float32")
        return ops.stack([ops.log(is_same_row), ops.zeros_like(is_same_row)], axis=1), state, None

    decoded = beam_search(
        **arguments(step=check_arguments, state=rows, memory=rows, beam_width=2, max_length=2)
    )
    expected = np.log([[0.5, 0.25]] * 3)  # No row gets the memory of another row.
    np.testing.assert_allclose(ops.convert_to_numpy(decoded.scores), expected, rtol=1e-6)
