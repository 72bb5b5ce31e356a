"""NaN at masked positions changes nothing, with a window and with a cache."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention import MultiHeadSelfAttention
from tests.gradients import gradients
from tests.layers.multi_head.multi_head_formulas import X, build_seeded, numpy

POISONED = X.copy()
POISONED[:, 0] = np.nan
ZEROED = np.nan_to_num(POISONED)
every_grouping = pytest.mark.parametrize("groups", [None, 1])


def build(**options):
    return build_seeded(MultiHeadSelfAttention(4, 6, **options), X)


@every_grouping
@pytest.mark.parametrize("is_causal", [False, True])
@pytest.mark.parametrize("is_single", [False, True])
def test_nan_outside_every_window_changes_nothing(groups, is_causal, is_single):
    layer = build(window=2, num_key_value_heads=groups)

    def loss(x):
        tail = x[:, -1] if is_single else x[:, -1:]
        return ops.sum(layer([tail, x], use_causal_mask=is_causal) ** 2)

    np.testing.assert_array_equal(
        numpy(loss(ops.convert_to_tensor(POISONED))), numpy(loss(ops.convert_to_tensor(ZEROED)))
    )
    results = gradients(loss, [POISONED], layer.trainable_variables)
    for result, correct in zip(
        results, gradients(loss, [ZEROED], layer.trainable_variables), strict=True
    ):
        np.testing.assert_allclose(result, correct, rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(results[0][:, 0], 0)


def test_attention_mask_and_window_combine():
    layer, window_mask = build(window=2), np.abs(np.subtract.outer(range(7), range(7))) <= 2
    for mask in (
        np.arange(7) < 5,
        np.tri(7, dtype=bool),
        np.random.default_rng(3).random((2, 7, 7)) < 0.6,
    ):
        expected_outputs = build_seeded(MultiHeadSelfAttention(4, 6), X)(
            X, attention_mask=window_mask & mask
        )
        np.testing.assert_allclose(
            numpy(layer(X, attention_mask=mask)), numpy(expected_outputs), rtol=1e-5, atol=1e-5
        )
    single = layer([X[:, -1], X], attention_mask=np.arange(7) < 6)
    expected_outputs = layer([X[:, -1:], X], attention_mask=np.arange(7) < 6)
    np.testing.assert_allclose(numpy(single), numpy(expected_outputs)[:, 0], rtol=1e-5, atol=1e-5)
    with pytest.raises(ValueError, match="Expected `attention_mask` broadcastable to"):
        layer(X, attention_mask=np.ones((2, 7, 5), bool))


def run_token_by_token(layer, x, mask):
    """Run the layer on one token at a time, with a cache and the token's row of the mask."""
    cache, results = layer.get_initial_cache(2, 7), []
    for i in range(7):
        output, cache = layer(x[:, i : i + 1], cache=cache, attention_mask=mask[:, i : i + 1])
        results.append(output)
    return ops.concatenate(results, axis=1)


@every_grouping
def test_nan_in_a_masked_cached_key_changes_nothing(groups):
    layer, mask = build(num_key_value_heads=groups), np.ones((2, 7, 7), bool)
    mask[:, :, 0] = False
    expected_outputs = numpy(run_token_by_token(layer, ZEROED, mask))
    np.testing.assert_array_equal(
        numpy(run_token_by_token(layer, POISONED, mask)), expected_outputs
    )

    def loss(x):
        return ops.sum(run_token_by_token(layer, x, mask) ** 2)

    (results,), (expected,) = (gradients(loss, [x]) for x in (POISONED, ZEROED))
    np.testing.assert_allclose(results, expected, rtol=1e-5, atol=1e-5)


def test_nan_in_a_cached_key_outside_the_window_changes_nothing():
    layer, mask = build(window=2), np.ones((2, 7, 7), bool)
    results = numpy(run_token_by_token(layer, POISONED, mask))
    np.testing.assert_array_equal(
        results[:, 3:], numpy(run_token_by_token(layer, ZEROED, mask))[:, 3:]
    )
    assert np.isnan(results[:, :3]).all()


def test_positions_can_have_any_integer_dtype():
    layer, memory = build(window=1), build().prepare(ops.convert_to_tensor(X))
    on_jax = keras.backend.backend() == "jax"  # JAX has no int64 by default
    for dtype in ("int16", "uint8") if on_jax else ("int64", "int16"):
        positions = ops.cast([[3, 4], [1, 2]], dtype)
        weights = numpy(layer.attend(X[:, :2], memory, positions=positions)[1])
        np.testing.assert_array_equal(weights[0, 0, 0] > 0, np.abs(np.arange(7) - 3) <= 1)
