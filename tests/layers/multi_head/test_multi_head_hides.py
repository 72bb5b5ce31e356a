"""What nobody may see, for a window or for a mask that comes with a cache, touches nothing."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention import MultiHeadSelfAttention
from tests.gradients import gradients
from tests.layers.multi_head.multi_head_formulas import X, numpy, seeded

POISONED = X.copy()
POISONED[:, 0] = np.nan
ZEROED = np.nan_to_num(POISONED)
GROUPS = pytest.mark.parametrize("groups", [None, 1])


def built(**options):
    return seeded(MultiHeadSelfAttention(4, 6, **options), X)


@GROUPS
@pytest.mark.parametrize("is_causal", [False, True])
@pytest.mark.parametrize("is_single", [False, True])
def test_what_lies_outside_of_every_window_touches_no_number(groups, is_causal, is_single):
    layer = built(window=2, num_key_value_heads=groups)

    def loss(x):
        tail = x[:, -1] if is_single else x[:, -1:]
        return ops.sum(layer([tail, x], use_causal_mask=is_causal) ** 2)

    np.testing.assert_array_equal(
        numpy(loss(ops.convert_to_tensor(POISONED))), numpy(loss(ops.convert_to_tensor(ZEROED)))
    )
    found = gradients(loss, [POISONED], layer.trainable_variables)
    for got, want in zip(found, gradients(loss, [ZEROED], layer.trainable_variables), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(found[0][:, 0], 0)


def test_an_attention_mask_goes_together_with_a_window():
    layer, near = built(window=2), np.abs(np.subtract.outer(range(7), range(7))) <= 2
    for mask in (
        np.arange(7) < 5,
        np.tri(7, dtype=bool),
        np.random.default_rng(3).random((2, 7, 7)) < 0.6,
    ):
        wanted = seeded(MultiHeadSelfAttention(4, 6), X)(X, attention_mask=near & mask)
        np.testing.assert_allclose(
            numpy(layer(X, attention_mask=mask)), numpy(wanted), rtol=1e-5, atol=1e-5
        )
    single = layer([X[:, -1], X], attention_mask=np.arange(7) < 6)
    wanted = layer([X[:, -1:], X], attention_mask=np.arange(7) < 6)
    np.testing.assert_allclose(numpy(single), numpy(wanted)[:, 0], rtol=1e-5, atol=1e-5)
    with pytest.raises(ValueError, match="Expected `attention_mask` broadcastable to"):
        layer(X, attention_mask=np.ones((2, 7, 5), bool))


def outputs(layer, x, mask):
    """The tokens one by one, each with its row of the mask."""
    cache, found = layer.get_initial_cache(2, 7), []
    for i in range(7):
        output, cache = layer(x[:, i : i + 1], cache=cache, attention_mask=mask[:, i : i + 1])
        found.append(output)
    return ops.concatenate(found, axis=1)


@GROUPS
def test_a_cached_key_that_no_query_may_see_touches_no_number(groups):
    layer, mask = built(num_key_value_heads=groups), np.ones((2, 7, 7), bool)
    mask[:, :, 0] = False
    wanted = numpy(outputs(layer, ZEROED, mask))
    np.testing.assert_array_equal(numpy(outputs(layer, POISONED, mask)), wanted)

    def loss(x):
        return ops.sum(outputs(layer, x, mask) ** 2)

    (found,), (expected,) = (gradients(loss, [x]) for x in (POISONED, ZEROED))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_a_cached_key_behind_the_window_touches_no_number():
    layer, mask = built(window=2), np.ones((2, 7, 7), bool)
    found = numpy(outputs(layer, POISONED, mask))
    np.testing.assert_array_equal(found[:, 3:], numpy(outputs(layer, ZEROED, mask))[:, 3:])
    assert np.isnan(found[:, :3]).all()


def test_positions_may_be_of_any_integer_type():
    layer, memory = built(window=1), built().prepare(ops.convert_to_tensor(X))
    on_jax = keras.backend.backend() == "jax"  # which has no int64 unless told so at the start
    for dtype in ("int16", "uint8") if on_jax else ("int64", "int16"):
        positions = ops.cast([[3, 4], [1, 2]], dtype)
        weights = numpy(layer.attend(X[:, :2], memory, positions=positions)[1])
        np.testing.assert_array_equal(weights[0, 0, 0] > 0, np.abs(np.arange(7) - 3) <= 1)
