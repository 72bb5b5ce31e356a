"""AttentionLoss by hand, its rows without a target, and training of weights towards targets."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention import AttentionLoss, AttentionPooling
from tests.gradients import gradients

WEIGHTS = np.array([[[0.25, 0.75], [0.5, 0.5]], [[1.0, 0.0], [0.4, 0.6]]], "float32")
TARGETS = np.array([[[0.5, 1.5], [0.0, 0.0]], [[2.0, 0.0], [0.0, 1.0]]], "float32")
EXPECTED = {
    "squared": [[0.0625 + 0.5625, 0], [1.0, 0.16 + 0.16]],
    "cross_entropy": [[-0.25 * np.log(0.25) - 0.75 * np.log(0.75), 0], [0, -np.log(0.6)]],
    "divergence": [[0, 0], [0, -np.log(0.6)]],
}


def compute(distance, targets, weights=WEIGHTS, **options):
    return ops.convert_to_numpy(AttentionLoss(distance, **options)(targets, weights))


@pytest.mark.parametrize("distance", EXPECTED)
def test_losses_by_hand(distance):
    expected = np.array(EXPECTED[distance])
    losses = compute(distance, TARGETS, reduction=None)
    np.testing.assert_allclose(losses, expected, atol=1e-6)
    np.testing.assert_allclose(
        compute(distance, TARGETS, reduction="sum"), expected.sum(), rtol=1e-6
    )
    np.testing.assert_allclose(compute(distance, TARGETS), expected.sum() / 3, rtol=1e-6)


@pytest.mark.parametrize("distance", ["cross_entropy", "divergence"])
def test_integer_targets_equal_one_hot_rows(distance):
    one_hot = np.array([[[0, 1], [0, 0]], [[1, 0], [0, 3]]], "float32")
    np.testing.assert_allclose(
        compute(distance, np.array([[1, -1], [0, 1]])), compute(distance, one_hot), rtol=1e-6
    )
    np.testing.assert_allclose(
        compute(distance, np.array([1, -1]), WEIGHTS[0]), -np.log(0.75), rtol=1e-6
    )


@pytest.mark.parametrize("distance", EXPECTED)
def test_rows_without_a_target_have_no_gradient(distance):
    loss = AttentionLoss(distance)
    [grad] = gradients(lambda weights: loss(TARGETS, weights), [WEIGHTS])
    assert not grad[0, 1].any()
    assert grad[1, 1].any()
    assert np.isfinite(grad).all()
    [grad] = gradients(lambda weights: loss(0 * TARGETS, weights), [WEIGHTS])
    assert not grad.any()
    assert compute(distance, 0 * TARGETS) == 0


@pytest.mark.parametrize("distance", EXPECTED)
def test_nan_in_a_row_without_a_target_has_no_effect(distance):
    weights = np.where(TARGETS.any(axis=-1, keepdims=True), WEIGHTS, np.float32(np.nan))
    loss = AttentionLoss(distance)
    [grad] = gradients(lambda weights: loss(TARGETS, weights), [weights])
    [expected] = gradients(lambda weights: loss(TARGETS, weights), [WEIGHTS])
    np.testing.assert_array_equal(grad, expected)
    assert compute(distance, TARGETS, weights) == compute(distance, TARGETS)


@pytest.mark.parametrize("mask", [[[1, 0], [1, 1]], [[1, 1], [0, 1]], [[0, 1], [0, 0]]])
@pytest.mark.parametrize("distance", EXPECTED)
def test_mean_is_over_the_rows_that_count_and_the_mask_leaves(distance, mask):
    mask = np.array(mask, bool)
    weights = keras.Input(WEIGHTS.shape[1:])
    model = keras.Model(weights, keras.layers.Masking(-1.0)(weights))
    model.compile(loss=AttentionLoss(distance), run_eagerly=True)
    counted = np.sum(mask & TARGETS.any(axis=-1))
    expected = np.array(EXPECTED[distance])[mask].sum() / max(counted, 1)
    actual = model.evaluate(np.where(mask[..., None], WEIGHTS, -1), TARGETS, verbose=0)
    np.testing.assert_allclose(actual, expected, rtol=1e-6)


def test_sample_weights_multiply_the_losses():
    loss = AttentionLoss()
    weighted = loss(TARGETS, WEIGHTS, sample_weight=np.array([[2.0, 0.0], [1.0, 0.5]]))
    np.testing.assert_allclose(ops.convert_to_numpy(weighted), (1.25 + 1 + 0.16) / 3, rtol=1e-6)
    with pytest.raises(ValueError, match="Expected `reduction`.*mean_with_sample_weight"):
        AttentionLoss(reduction="mean_with_sample_weight")


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("distance", EXPECTED)
def test_half_precision_is_computed_in_float32(distance, dtype):
    weights, targets = ops.cast(WEIGHTS, dtype), ops.cast(TARGETS, dtype)
    expected = compute(distance, TARGETS, ops.cast(weights, "float32"))
    actual = compute(distance, targets, weights, dtype=dtype)
    np.testing.assert_allclose(actual, expected, rtol=1e-6)
    assert compute(distance, 0 * TARGETS, weights, dtype=dtype) == 0
    reverse = np.array([[[0, 1]]], "float32")
    if distance != "squared":  # the key with the target has a weight of zero
        loss = compute(distance, reverse, np.array([[[1, 0]]], "float32"), dtype=dtype)
        np.testing.assert_allclose(loss, -np.log(1e-30), rtol=1e-6)


@pytest.mark.parametrize("integers", ["uint8", "int32", "int64", "float32"])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_integer_targets_are_not_rounded(dtype, integers):
    keys = 200 if integers == "uint8" else 2501
    weights = np.full((1, 3000), 0.25, "float32")
    weights[0, keys] = 0.5
    loss = compute("cross_entropy", np.array([keys], integers), weights, dtype=dtype)
    np.testing.assert_allclose(loss, np.log(2), rtol=1e-6)


def test_integer_target_that_is_not_of_a_key_does_not_count():
    losses = compute("cross_entropy", np.array([[2, 0], [-2, 1]]), reduction=None)
    np.testing.assert_allclose(losses, [[0, -np.log(0.5)], [0, -np.log(0.6)]], rtol=1e-6)


def test_row_of_targets_that_sum_to_zero_counts():
    targets = np.array([[[1.0, -1.0], [-1.0, -1.0]]], "float32")
    losses = compute("squared", targets, WEIGHTS[:1], reduction=None)
    np.testing.assert_allclose(losses, [[0.75**2 + 1.75**2, 2 * 1.5**2]])


@pytest.mark.parametrize(
    ("distance", "shape"), [("squared", (2, 2)), ("divergence", (2, 2, 1)), ("divergence", (2,))]
)
def test_targets_of_another_shape_are_refused(distance, shape):
    with pytest.raises(ValueError, match=r"Expected `y_true` of the shape \(2, 2, 2\)"):
        compute(distance, np.ones(shape))


def test_wrong_distance_is_refused_and_config_is_complete():
    with pytest.raises(ValueError, match="Expected `distance` .*Received: distance='l2'"):
        AttentionLoss("l2")
    loss = AttentionLoss("divergence", reduction="sum", name="gaze", dtype="float64")
    copy = keras.losses.deserialize(keras.losses.serialize(loss))
    assert (copy.distance, copy.reduction, copy.name) == ("divergence", "sum", "gaze")
    assert copy.dtype == "float64"


def test_model_learns_the_target_weights():
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(64, 5, 4)).astype("float32")
    targets = inputs[..., 0].argmax(axis=1)  # the step whose first component is the largest
    steps = keras.Input((5, 4))
    keras.utils.set_random_seed(0)
    pooled, weights = AttentionPooling(8)(steps, return_attention_scores=True)
    model = keras.Model(steps, [keras.layers.Dense(1)(pooled), weights])
    jit = keras.backend.backend() != "torch"
    losses = ["mse", AttentionLoss("cross_entropy")]
    model.compile(keras.optimizers.Adam(0.05), losses, jit_compile=jit)
    model.fit(inputs, [np.zeros((64, 1), "float32"), targets], epochs=30, verbose=0)
    learned = ops.convert_to_numpy(model(inputs)[1]).argmax(axis=1)
    assert np.mean(learned == targets) > 0.9
