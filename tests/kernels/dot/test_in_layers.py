"""Multi-head layers with `implementation="blockwise"` match those with "plain"."""

import keras
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
RNG_STATE = RNG.bit_generator.state
VARIANTS = {
    "all": {},
    "grouped": {"num_key_value_heads": 2},
    "window": {"window": 2, "rotary_base": 100.0},
}
every_variant = pytest.mark.parametrize("options", VARIANTS.values(), ids=VARIANTS.keys())


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """Use blocks of three queries: seven queries make three blocks, the last one padded."""
    monkeypatch.setattr(tuning, "DOT_MAX_ROWS_PER_BLOCK", 3)
    monkeypatch.setattr(tuning, "DOT_MIN_WEIGHTS_PER_HEAD", 1)


def build_pair(kind=MultiHeadSelfAttention, **arguments):
    """Return a plain and a blockwise layer with the same weights and seed."""
    layers = [kind(4, 2, implementation=i, **arguments) for i in ("plain", "blockwise")]
    for layer in layers:
        layer.build((None, None, WIDTH))
    weights = [0.4 * RNG.normal(size=w.shape) for w in layers[0].get_weights()]
    for layer in layers:
        layer.set_weights(weights)
    return layers


def evaluate(layer, x, **call):
    def loss(x):
        return ops.sum(ops.cast(layer(x, **call), "float32") ** 2)

    actual = gradients(loss, [x], layer.trainable_variables)
    output = ops.convert_to_numpy(ops.cast(layer(x, **call), "float32"))
    return [output, *actual]


def assert_same(actual, expected, tolerance=1e-4):
    for result, correct in zip(actual, expected, strict=True):
        np.testing.assert_allclose(result, correct, rtol=tolerance, atol=tolerance)


@every_variant
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("has_mask", [False, True])
def test_blockwise_equals_plain(options, causal, has_mask):
    call = {"use_causal_mask": causal, "mask": MASK if has_mask else None}
    plain, blockwise = build_pair(**options)
    assert_same(evaluate(blockwise, X, **call), evaluate(plain, X, **call))


@every_variant
def test_nan_in_masked_positions_changes_nothing(options):
    _, layer = build_pair(**options)
    poisoned = np.where(MASK[..., None], X, np.float32(np.nan))
    for causal in (False, True):
        call = {"mask": MASK, "use_causal_mask": causal}
        expected = evaluate(layer, X, **call)
        assert_same(evaluate(layer, poisoned, **call), expected, tolerance=0)
        np.testing.assert_array_equal(expected[0][1, 4:], 0)


@pytest.mark.parametrize("options", ["all", "grouped"])
def test_attention_mask_with_one_column_for_all_keys(options):
    plain, blockwise = build_pair(**VARIANTS[options])
    for mask in (np.array([[[True]], [[False]]]), np.array([[[True]], [[True]]])):
        call = {"attention_mask": mask}
        assert_same(evaluate(blockwise, X, **call), evaluate(plain, X, **call))


def test_bias_of_padded_queries_may_be_nan():
    plain, layer = build_pair()
    bias = np.zeros((2, 4, QUERIES, KEYS), "float32")
    expected = evaluate(plain, X, mask=MASK, attention_bias=bias)
    bias[1, :, 4:] = bias[1, :, :, 4:] = np.nan
    assert_same(evaluate(layer, X, mask=MASK, attention_bias=bias), expected)


@pytest.mark.parametrize("options", ["all", "grouped"])
def test_dropout_is_the_same_in_both_implementations_with_and_without_returned_scores(options):
    def compute_outputs(return_scores):
        for layer in build_pair(dropout=0.4, seed=3, **VARIANTS[options]):
            actual = [
                layer(X, training=True, return_attention_scores=return_scores) for _ in range(2)
            ]
            yield [ops.convert_to_numpy(x[0] if return_scores else x) for x in actual]

    RNG.bit_generator.state = RNG_STATE
    (plain, blockwise) = compute_outputs(return_scores=False)
    RNG.bit_generator.state = RNG_STATE
    (plain_with_scores, blockwise_with_scores) = compute_outputs(return_scores=True)
    assert np.abs(plain[0] - plain[1]).max() > 0.01  # Each call samples new dropout.
    assert_same(blockwise, plain)
    assert_same([*plain_with_scores, *blockwise_with_scores], [*plain, *blockwise], tolerance=0)


def test_gradients_with_dropout_match():
    plain, blockwise = build_pair(dropout=0.4, seed=3)
    assert_same(evaluate(blockwise, X, training=True), evaluate(plain, X, training=True))


@pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16"])
def test_implementations_match_under_a_half_precision_policy(dtype):
    plain, blockwise = build_pair(dtype=dtype)
    actual, expected = (ops.cast(layer(30 * X), "float32") for layer in (blockwise, plain))
    # One unit in the last place of outputs near 30.
    tolerance = 2e-2 if dtype == "mixed_float16" else 2e-1
    if keras.backend.backend() == "torch" and dtype == "mixed_bfloat16":
        # PyTorch's fused attention rounds the exponentials, and the plain steps round the weights:
        # the README's promise is two units in the last place of the largest output, near 54.
        tolerance = 2 * 0.25
    np.testing.assert_allclose(*map(ops.convert_to_numpy, (actual, expected)), atol=tolerance)


def test_implementation_is_in_the_config_and_checked():
    for kind in (MultiHeadAttention, MultiHeadSelfAttention):
        assert kind(2).get_config()["implementation"] == "auto"
        layer = kind.from_config(kind(2, implementation="blockwise").get_config())
        assert layer.implementation == "blockwise"
        with pytest.raises(ValueError, match="Expected `implementation` .* implementation='fast'"):
            kind(2, implementation="fast")
