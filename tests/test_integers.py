"""Indices, positions and sizes beyond int32 do not count as those of their lower 32 bits."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_attention as ka
from keras_attention.decoding.arguments import to_length
from keras_attention.integers import to_int32
from keras_attention.layers.recurrent.decoder_state import DecoderState
from keras_attention.layers.reinforce.reward import compute_cost

BACKEND = keras.backend.backend()
# The lower 32 bits of the last two are those of 1, which is an index in every test.
BEYOND_INT32 = [2**31 + 1, 2**32 + 1, -(2**32) + 1]
X = np.random.default_rng(0).normal(size=(1, 4, 3)).astype("float32")
EDGES = np.array([[0, 1], [2, 3], [3, 0]])
only_tensorflow = pytest.mark.skipif(BACKEND != "tensorflow", reason="uses TensorFlow's graphs")


@pytest.fixture(autouse=True)
def keep_64_bits():
    """Let JAX keep the upper 32 bits, which it drops unless its 64-bit types are enabled."""
    if BACKEND != "jax":
        yield
        return
    import jax

    with jax.enable_x64(True):
        yield


def select_segment(index):
    return ka.read.segment_sum(np.ones(3, "float32"), X[0, :3], with_index(index), 2)


def with_index(index):
    """Return the indices 0, `index` and 0."""
    zero = ops.zeros_like(index)
    return ops.stack([zero, index, zero])


def choose_with_targets(layer, index):
    return layer(with_index(index)[None], X, X, mask_visited=True)


def attend_along_edges(layer, index):
    first = ops.convert_to_tensor(EDGES)
    edges = ops.concatenate([first, ops.stack([index, ops.zeros_like(index)])[None]])
    return layer([X, edges[None]])


def decode_from(layer, index):
    state = DecoderState([ops.zeros((1, 3))], (), (), index[None])
    return layer(X[:, :2], X, initial_state=state)


def attend_in_window(layer, index):
    layer(X)  # builds it
    return layer.attend(X[:, :1], layer.prepare(X), positions=index[None, None])[0]


def decode_greedily(index):
    def step(tokens, state, memory):
        return ops.one_hot(tokens, 5, dtype="float32"), state, None

    return ka.decoding.greedy(
        step, ops.zeros((1, 1)), start_token=index[None], end_token=4, max_length=3
    ).tokens


# Functions of a layer and a scalar index, and the layers.
CALLS = {
    "visited": (None, lambda _, index: ka.mask.visited(with_index(index), 3)),
    "segment_softmax": (
        None,
        lambda _, index: ka.normalize.segment_softmax(X[0, :3, 0], with_index(index), 2),
    ),
    "segment_sum": (None, lambda _, index: select_segment(index)),
    "attention_loss": (
        lambda: ka.AttentionLoss("cross_entropy"),
        lambda loss, index: loss(index[None], np.full((1, 3), 0.25, "float32")),
    ),
    "accuracy": (
        None,
        lambda _, index: compute_cost("accuracy", index[None], np.eye(3, dtype="float32")[1:2]),
    ),
    "start_token": (None, lambda _, index: decode_greedily(index)),
    "bag_of_words": (
        lambda: ka.BagOfWords(4, 3),
        lambda layer, index: layer(with_index(index)[None]),
    ),
    "pointer": (lambda: ka.PointerDecoder(3), choose_with_targets),
    "graph": (lambda: ka.GraphAttention(3), attend_along_edges),
    "decoder_state": (
        lambda: ka.AttentionDecoder(
            keras.layers.GRUCell(3), ka.LocalAttention(1, "monotonic"), attend="after"
        ),
        decode_from,
    ),
    "local": (
        lambda: ka.LocalAttention(1, "monotonic"),
        lambda layer, index: layer(X, positions=index[None]),
    ),
    "window": (lambda: ka.MultiHeadSelfAttention(1, window=1), attend_in_window),
}


def find_outcome(function, layer, number):
    """Return the result, or the kind of the error, for a number as an int64 tensor."""
    try:
        result = function(layer, ops.convert_to_tensor(np.int64(number), "int64"))
    except (ValueError, IndexError, RuntimeError):
        return "refused"
    except Exception as error:
        assert type(error).__name__ == "InvalidArgumentError"  # TensorFlow's, of a gather
        return "refused"
    return ops.convert_to_numpy(result)


@pytest.mark.parametrize("name", CALLS)
def test_index_beyond_int32_is_no_other_index(name):
    make, function = CALLS[name]
    layer = make() if make else None
    assert not isinstance(find_outcome(function, layer, 1), str)
    for number in BEYOND_INT32:
        nowhere = 2**31 - 1 if number > 0 else -(2**31)  # the nearest number of int32
        correct, actual = (find_outcome(function, layer, n) for n in (nowhere, number))
        np.testing.assert_array_equal(actual, correct)


@only_tensorflow
def test_edge_beyond_int32_is_masked_in_a_graph():
    import tensorflow as tf

    layer = ka.GraphAttention(3)
    call = tf.function(lambda index: attend_along_edges(layer, index))
    correct = call(tf.constant(1000, "int64"))
    for number in BEYOND_INT32:
        np.testing.assert_array_equal(call(tf.constant(number, "int64")), correct)


@pytest.mark.skipif(BACKEND == "jax", reason="Keras has no float64 on JAX")
@pytest.mark.parametrize("number", BEYOND_INT32)
def test_positions_beyond_int32_are_exact(number):
    start = ops.convert_to_tensor(np.int64(number), "int64")
    encoded = ka.PositionalEncoding(dtype="float64")(np.zeros((1, 2, 2)), start=start)
    angle = np.arange(number, number + 2).astype("float64")
    expected = np.stack([np.sin(angle), np.cos(angle)], axis=-1)
    np.testing.assert_allclose(ops.convert_to_numpy(encoded)[0], expected, atol=1e-9)


@pytest.mark.parametrize("dtype", ["int8", "int32", "int64", "uint32"])
def test_integers_become_the_nearest_of_int32(dtype):
    limits = np.iinfo(dtype)
    numbers = np.array([0, 7, limits.min, limits.max], dtype)
    expected = np.clip(numbers.astype(object), -(2**31), 2**31 - 1).astype("int32")
    tensor = ops.convert_to_tensor(numbers)
    assert ops.convert_to_numpy(to_int32(tensor)).tolist() == expected.tolist()
    assert ops.convert_to_numpy(to_int32(numbers)).tolist() == expected.tolist()


def test_lengths_beyond_int32_stay_large():
    lengths = [to_length("max_length", ops.convert_to_tensor(n, "int64")) for n in BEYOND_INT32]
    assert [int(n) for n in lengths] == [2**31 - 1, 2**31 - 1, -(2**31)]


@pytest.mark.parametrize(
    "call",
    [
        lambda n: ka.mask.window(3, 3, n),
        lambda n: ka.mask.causal(3, n),
        lambda n: ka.mask.around(X, n),
        lambda n: ka.mask.visited(np.array([1]), n),
        lambda n: ka.LocalAttention(n),
        lambda n: ka.MultiHeadSelfAttention(1, window=n),
        lambda n: ka.ResidualStack([keras.layers.GRUCell(2)], residual_from=n),
        lambda n: greedy(end_token=n),
        lambda n: greedy(pad_token=n),
        lambda n: greedy(start_token=n),
        lambda n: greedy(max_length=n),
    ],
)
def test_integer_beyond_int32_is_refused(call):
    for number in (2**31, 2**32 + 1):
        with pytest.raises(ValueError, match=f"Expected `.*2147483647.*Received: .*{number}"):
            call(number)


def greedy(**changes):
    arguments = {"start_token": 0, "end_token": 4, "max_length": 3, **changes}
    return ka.decoding.greedy(lambda tokens, *state: (X[0], *state), X, **arguments)


@only_tensorflow
def test_limit_of_a_size_beyond_int32_accepts_smaller_sizes():
    import tensorflow as tf

    from keras_attention.export.signatures.input_checks import add_input_checks

    spec = ka.export.Spec("x", (None, "n"), "float32", at_most={"n": 2**32 + 1})
    call = tf.function(lambda x: add_input_checks([spec], [x])[0])
    assert call(tf.ones((1, 5))).shape == (1, 5)
