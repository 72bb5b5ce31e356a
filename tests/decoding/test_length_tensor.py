"""A `max_length` that is a tensor, known only at run time in a graph."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention.decoding import beam_search, greedy, sample
from keras_attention.decoding.penalties import length_penalties, max_remaining_penalty
from tests.decoding.toy import END, PAD, START, Toy

on_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="only TensorFlow graphs have unknown sizes"
)
TOY = Toy(seed=5, vocabulary=5, batch=3)
every_search = pytest.mark.parametrize(
    ("search", "options"),
    [
        (greedy, {}),
        (beam_search, {}),
        (beam_search, {"length_penalty": 0.7, "coverage_penalty": 0.2}),
        (beam_search, {"length_penalty": -1.5}),
        (sample, {"top_p": 0.9, "seed": 5}),
    ],
)


def decode(search, length, **options):
    decoded = search(
        TOY.step,
        TOY.state(),
        START,
        END,
        max_length=length,
        memory=TOY.memory(),
        memory_mask=TOY.mask,
        pad_token=PAD,
        **options,
    )
    return tuple(decoded)


def assert_same(decoded, expected):
    for part, expected_part in zip(decoded, expected, strict=True):
        assert tuple(part.shape) == tuple(expected_part.shape)
        part, expected_part = ops.convert_to_numpy(part), ops.convert_to_numpy(expected_part)
        np.testing.assert_allclose(part, expected_part, atol=1e-5)


@every_search
@pytest.mark.parametrize("dtype", ["int32", "int64"])
def test_tensor_length_gives_the_result_of_an_int(search, options, dtype):
    length = ops.convert_to_tensor(np.asarray(6, dtype))
    assert_same(decode(search, length, **options), decode(search, 6, **options))


@on_tensorflow
@every_search
@pytest.mark.parametrize("jit_compile", [False, True], ids=["plain", "compiled"])
def test_length_can_be_unknown_until_the_graph_runs(search, options, jit_compile):
    import tensorflow as tf

    @tf.function(input_signature=[tf.TensorSpec((None,))], jit_compile=jit_compile)
    def run(x):
        return decode(search, tf.shape(x)[0], **options)

    for length in (1, 4, 9):
        assert_same(run(tf.zeros(length)), decode(search, length, **options))


@pytest.mark.parametrize("search", [greedy, beam_search, sample])
@pytest.mark.parametrize("length", [[3], 3.0])
def test_tensor_that_is_not_an_integer_scalar_is_refused(search, length):
    with pytest.raises(ValueError, match="Expected `max_length` to be an integer"):
        decode(search, ops.convert_to_tensor(np.asarray(length)))


@pytest.mark.parametrize("alpha", [-1.5, 0.0, 0.7])
def test_length_penalties_of_a_tensor_equal_those_of_an_int(alpha):
    expected = length_penalties(7, alpha)
    penalties = length_penalties(ops.convert_to_tensor(7), alpha)
    assert_same(
        [penalties, max_remaining_penalty(penalties)],
        [expected, max_remaining_penalty(expected)],
    )


def test_length_penalties_of_a_tensor_are_clipped_to_float32():
    high, low = (
        ops.convert_to_numpy(length_penalties(ops.convert_to_tensor(50), alpha))
        for alpha in (1e3, -1e3)
    )
    np.testing.assert_allclose([high.max(), low.min()], [1e30, 1e-30], rtol=1e-4)
