"""A layer that goes without the table keeps what it promises, and says how it goes about it."""

import numpy as np
import pytest
from keras import ops

from keras_attention import MultiHeadAttention, MultiHeadSelfAttention
from keras_attention.kernels import tuning
from tests.gradients import gradients

QUERIES, KEYS, WIDTH = 7, 7, 6
RNG = np.random.default_rng(0)
X = RNG.normal(size=(2, QUERIES, WIDTH)).astype("float32")
MASK = np.ones((2, QUERIES), bool)
MASK[1, 4:] = False
STATE = RNG.bit_generator.state
WAYS = {
    "whole": {},
    "grouped": {"num_key_value_heads": 2},
    "window": {"window": 2, "rotary_base": 100.0},
}
every_way = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """Use blocks of three queries: seven queries make three blocks, the last one padded."""
    monkeypatch.setattr(tuning, "DOT_MAX_ROWS_PER_BLOCK", 3)
    monkeypatch.setattr(tuning, "DOT_MIN_WEIGHTS_PER_HEAD", 1)


def pair(kind=MultiHeadSelfAttention, **arguments):
    """A layer that makes the table and one that does not, with the same weights and seed."""
    layers = [kind(4, 2, implementation=i, **arguments) for i in ("plain", "blockwise")]
    for layer in layers:
        layer.build((None, None, WIDTH))
    drawn = [0.4 * RNG.normal(size=w.shape) for w in layers[0].get_weights()]
    for layer in layers:
        layer.set_weights(drawn)
    return layers


def everything(layer, x, **call):
    def loss(x):
        return ops.sum(ops.cast(layer(x, **call), "float32") ** 2)

    found = gradients(loss, [x], layer.trainable_variables)
    output = ops.convert_to_numpy(ops.cast(layer(x, **call), "float32"))
    return [output, *found]


def assert_same(found, wanted, tolerance=1e-4):
    for got, want in zip(found, wanted, strict=True):
        np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance)


@every_way
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("masked", [False, True])
def test_both_give_the_same(way, causal, masked):
    call = {"use_causal_mask": causal, "mask": MASK if masked else None}
    plain, blockwise = pair(**way)
    assert_same(everything(blockwise, X, **call), everything(plain, X, **call))


@every_way
def test_nan_behind_masks_changes_nothing(way):
    _, layer = pair(**way)
    poisoned = np.where(MASK[..., None], X, np.float32(np.nan))
    for causal in (False, True):
        call = {"mask": MASK, "use_causal_mask": causal}
        wanted = everything(layer, X, **call)
        assert_same(everything(layer, poisoned, **call), wanted, tolerance=0)
        np.testing.assert_array_equal(wanted[0][1, 4:], 0)


@pytest.mark.parametrize("way", ["whole", "grouped"])
def test_a_mask_may_have_one_number_for_all_keys(way):
    plain, blockwise = pair(**WAYS[way])
    for mask in (np.array([[True], [False]]), np.array([[True], [True]])):
        call = {"mask": mask}
        assert_same(everything(blockwise, X, **call), everything(plain, X, **call))


def test_a_bias_of_queries_that_are_none_may_be_nan():
    plain, layer = pair()
    bias = np.zeros((2, 4, QUERIES, KEYS), "float32")
    wanted = everything(plain, X, mask=MASK, attention_bias=bias)
    bias[1, :, 4:] = bias[1, :, :, 4:] = np.nan
    assert_same(everything(layer, X, mask=MASK, attention_bias=bias), wanted)


@pytest.mark.parametrize("way", ["whole", "grouped"])
def test_the_same_weights_are_dropped_and_asking_for_them_changes_nothing(way):
    def outputs(ask):
        for layer in pair(dropout=0.4, seed=3, **WAYS[way]):
            found = [layer(X, training=True, return_attention_scores=ask) for _ in range(2)]
            yield [ops.convert_to_numpy(x[0] if ask else x) for x in found]

    RNG.bit_generator.state = STATE
    (plain, blockwise) = outputs(ask=False)
    RNG.bit_generator.state = STATE
    (plain_asked, blockwise_asked) = outputs(ask=True)
    assert np.abs(plain[0] - plain[1]).max() > 0.01  # each call drops others
    assert_same(blockwise, plain)
    assert_same([*plain_asked, *blockwise_asked], [*plain, *blockwise], tolerance=0)


def test_what_is_dropped_has_no_gradient():
    plain, blockwise = pair(dropout=0.4, seed=3)
    assert_same(everything(blockwise, X, training=True), everything(plain, X, training=True))


@pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16"])
def test_scores_are_float32_under_a_half_precision_policy(dtype):
    plain, blockwise = pair(dtype=dtype)
    found, wanted = (ops.cast(layer(30 * X), "float32") for layer in (blockwise, plain))
    tolerance = 2e-2 if dtype == "mixed_float16" else 2e-1  # a digit of outputs near 30
    np.testing.assert_allclose(*map(ops.convert_to_numpy, (found, wanted)), atol=tolerance)


def test_it_is_an_argument_like_any_other():
    for kind in (MultiHeadAttention, MultiHeadSelfAttention):
        assert kind(2).get_config()["implementation"] == "auto"
        layer = kind.from_config(kind(2, implementation="blockwise").get_config())
        assert layer.implementation == "blockwise"
        with pytest.raises(ValueError, match="Expected `implementation` .* implementation='fast'"):
            kind(2, implementation="fast")
