"""A decoder whose memory arrives in parts emits what it emits with the whole memory."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_attention

UNITS, CLASSES = 4, 5
KEYS = [0, 3, 1, 1, 4, 2, 3, 0, 2, 4, 1]
QUERIES = [3, 1, 4, 2, 0, 4]


def numpy(x):
    return ops.convert_to_numpy(x)


def make_decoder(attention):
    decoder = keras_attention.AttentionDecoder(keras.layers.GRUCell(UNITS), attention)
    decoder(np.ones((1, 1, 3), "float32"), np.ones((1, 2, 5), "float32"))
    return decoder


def make_values(batch):
    return np.random.default_rng(1).normal(size=(batch, len(KEYS), 5)).astype("float32")


class EchoCell(keras.layers.Layer):
    """A cell whose output is its input, so that the inputs are the queries."""

    state_size = output_size = CLASSES

    def call(self, inputs, states):
        return inputs, [inputs]


@pytest.mark.parametrize("chunk", [1, 3])
@pytest.mark.parametrize("sizes", [(4, 4, 3), (1, 9, 1), (11,)])
def test_a_stream_emits_the_outputs_of_the_whole_memory(chunk, sizes):
    """Each query chooses the next key of its class."""
    attention = keras_attention.MonotonicAttention("general", bias=-5.0, chunk=chunk)
    decoder = keras_attention.AttentionDecoder(EchoCell(), attention, attend="after")
    inputs, values = (np.eye(CLASSES, dtype="float32")[[classes]] for classes in (QUERIES, KEYS))
    decoder(inputs, values)
    attention.score.kernel.assign(10 * np.eye(CLASSES))
    expected, alignments = decoder(inputs, values, return_attention_scores=True)
    last_read = [int(row.nonzero()[0][-1]) for row in numpy(alignments)[0]]
    assert last_read == [1, 2, 4, 5, 7, 9]

    memory, state, outputs, counts = None, None, [], []
    for part in np.split(values, np.cumsum(sizes)[:-1], axis=1):
        if memory is None:
            memory = decoder.prepare(part)
            state = decoder.get_initial_state(1, memory=memory)
        else:
            memory, state = decoder.extend(memory, state, part)
        while len(outputs) < len(QUERIES):
            output, alignment, next_state = decoder.step(inputs[:, len(outputs)], state, memory)
            if not numpy(alignment).any():
                break
            outputs.append(numpy(output)[0])
            state = next_state
        counts.append(len(outputs))
    np.testing.assert_allclose(outputs, numpy(expected)[0], atol=1e-6)
    # Each output was emitted as soon as its key arrived.
    assert counts == [sum(key < end for key in last_read) for end in np.cumsum(sizes)]


@pytest.mark.parametrize(
    "attention",
    [
        keras_attention.MonotonicAttention(units=4, chunk=2, inference="soft"),
        keras_attention.LocationAwareAttention(units=4, cumulative=True, start="first"),
    ],
)
def test_an_extended_memory_equals_the_whole_one(attention):
    decoder = make_decoder(attention)
    values = make_values(2)
    mask = np.arange(len(KEYS)) < np.array([[11], [8]])
    whole = decoder.prepare(values, mask)
    memory = decoder.prepare(values[:, :7], mask[:, :7])
    state = decoder.get_initial_state(2, memory=memory)
    memory, state = decoder.extend(memory, state, values[:, 7:], mask[:, 7:])
    initial = decoder.get_initial_state(2, memory=whole)
    for pair in ((memory, whole), (state, initial)):
        for actual, expected in zip(*map(keras.tree.flatten, pair), strict=True):
            np.testing.assert_allclose(numpy(actual), numpy(expected), atol=1e-6)


def test_a_part_without_mask_is_visible():
    decoder = make_decoder(keras_attention.MonotonicAttention(units=4))
    values = make_values(2)
    mask = np.arange(4) < np.array([[4], [2]])
    memory = decoder.prepare(values[:, :4], mask)
    state = decoder.get_initial_state(2, memory=memory)
    memory, _ = decoder.extend(memory, state, values[:, 4:6])
    expected = np.concatenate([mask, np.ones((2, 2), bool)], axis=1)
    np.testing.assert_array_equal(numpy(memory.mask)[:, 0], expected)


def test_other_attention_is_refused():
    decoder = make_decoder(keras_attention.AdditiveAttention(4))
    values = make_values(1)
    memory = decoder.prepare(values)
    with pytest.raises(ValueError, match="such as MonotonicAttention.*Received: AdditiveAttention"):
        decoder.extend(memory, decoder.get_initial_state(1), values)


def test_a_stream_that_begins_with_padding_starts_at_its_first_key():
    decoder = make_decoder(keras_attention.MonotonicAttention(units=4, bias=5.0))
    values, inputs = make_values(2), np.ones((2, 1, 3), "float32")
    mask = np.array([[True] * 7, [False] * 3 + [True] * 4])
    expected = decoder(inputs, values[:, :7], memory_mask=mask, return_attention_scores=True)[1]
    memory = decoder.prepare(values[:, :3], mask[:, :3])
    state = decoder.get_initial_state(2, memory=memory)
    memory, state = decoder.extend(memory, state, values[:, 3:7], mask[:, 3:])
    _, weights, _ = decoder.step(inputs[:, 0], state, memory)
    assert numpy(weights)[1].any()
    np.testing.assert_allclose(numpy(weights), numpy(expected)[:, 0], atol=1e-6)


def test_values_that_do_not_follow_the_memory_are_refused():
    decoder = make_decoder(keras_attention.MonotonicAttention(units=4))
    values = make_values(2)
    memory = decoder.prepare(values)
    state = decoder.get_initial_state(2, memory=memory)
    for added in (values[:1], values[..., :2], values[:, 0], [1.0]):
        with pytest.raises(ValueError, match="Expected `added`"):
            decoder.extend(memory, state, added)
