"""Blockwise dot attention, which never stores all weights, matches the formula everywhere."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention.kernels import tuning
from keras_attention.kernels.attention import can_run_dot_blockwise
from keras_attention.kernels.dot.attention import dot_attention
from keras_attention.kernels.dropout import keep_mask
from keras_attention.mask.structured_mask import StructuredMask
from tests.finite_differences import GRAD_DTYPE, TOLERANCE, central_differences, only_with_float64
from tests.gradients import gradients
from tests.kernels.dot.dot_formulas import (
    CASES,
    HEADS,
    KEY,
    KEY_MASK,
    KEYS,
    QUERIES,
    QUERY,
    VALUE,
    attention,
    visible_pairs,
)

every_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
not_on_torch = pytest.mark.skipif(
    keras.backend.backend() == "torch", reason="PyTorch's fused attention has no seeded dropout"
)
SEEDS = np.random.default_rng(1).integers(0, 2**31 - 1, (2, HEADS, QUERIES)).astype("int32")


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """Use blocks of three queries: seven queries make three blocks, the last one padded."""
    monkeypatch.setattr(tuning, "DOT_MAX_ROWS_PER_BLOCK", 3)
    monkeypatch.setattr(tuning, "DOT_MIN_WEIGHTS_PER_HEAD", 1)


def attend(query, key, value, case, **options):
    visible = StructuredMask(query.shape[2], key.shape[2], **case)
    return dot_attention(query, key, value, visible, **options)


def numpy(x):
    return ops.convert_to_numpy(x)


@every_case
def test_context_equals_the_loops(case):
    actual = numpy(attend(*map(ops.convert_to_tensor, (QUERY, KEY, VALUE)), case))
    expected = attention(QUERY, KEY, VALUE, visible_pairs(QUERIES, KEYS, **case))
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5)
    is_fully_masked = ~visible_pairs(QUERIES, KEYS, **case).any(axis=-1)
    np.testing.assert_array_equal(np.swapaxes(actual, 1, 2)[is_fully_masked], 0)


@pytest.mark.parametrize("name", ["causal", "window"])
def test_context_equals_the_loops_with_more_queries_than_keys(name):
    query = np.concatenate([QUERY, QUERY[:, :, ::-1]], axis=2)
    actual = numpy(attend(*map(ops.convert_to_tensor, (query, KEY, VALUE)), CASES[name]))
    expected = attention(query, KEY, VALUE, visible_pairs(2 * QUERIES, KEYS, **CASES[name]))
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5)


@every_case
def test_gradients_equal_finite_differences_of_the_loops(case):
    upstream = np.random.default_rng(2).normal(size=(2, HEADS, 3, VALUE.shape[-1]))
    query, key = QUERY[:, :, -3:], KEY[:, :, -4:]  # Finite differences perturb each number.
    value = VALUE[:, :, -4:, :3]
    parts = {"query_mask": np.s_[:, -3:], "key_mask": np.s_[:, -4:], "pairs": np.s_[..., -3:, -4:]}
    case = {n: x[parts[n]] if n in parts else x for n, x in case.items()}
    upstream = upstream[..., :3]

    def loss(query, key, value):
        return ops.sum(ops.multiply(attend(query, key, value, case), upstream.astype(GRAD_DTYPE)))

    def formula(*arrays):
        return np.sum(attention(*arrays, visible_pairs(3, 4, **case)) * upstream)

    arrays = [x.astype(GRAD_DTYPE) for x in (query, key, value)]
    for result, correct in zip(
        gradients(loss, arrays), central_differences(formula, arrays), strict=True
    ):
        np.testing.assert_allclose(result, correct, rtol=TOLERANCE, atol=TOLERANCE)


@pytest.mark.parametrize("upstream_value", [np.nan, np.inf])
def test_fully_masked_query_has_zero_gradient_even_if_upstream_is_nan(upstream_value):
    case = {"pairs": np.zeros((1, QUERIES, KEYS), bool)}

    def loss(query, key, value):
        return ops.sum(
            attend(query, key, value, case) * np.float32(upstream_value) * 0 + query[..., :1]
        )

    actual = gradients(loss, [QUERY[:1], KEY[:1], VALUE[:1]])
    for gradient in actual[1:]:
        np.testing.assert_array_equal(gradient, 0)


def test_large_scores_stay_finite():
    case = {"causal": True, "key_mask": KEY_MASK}
    for size in (1e4, 1e12):
        large = [ops.convert_to_tensor(np.sign(x) * np.float32(size)) for x in (QUERY, KEY)]
        assert np.isfinite(numpy(attend(*large, ops.convert_to_tensor(VALUE), case))).all()
    large = QUERY * 300, KEY, VALUE  # One key has almost all of the weight.
    actual = numpy(attend(*map(ops.convert_to_tensor, large), case))
    expected = attention(*large, visible_pairs(QUERIES, KEYS, **case))
    np.testing.assert_allclose(actual, expected, rtol=1e-3, atol=1e-3)


@only_with_float64
def test_float64_is_kept():
    arrays = [x.astype("float64") for x in (QUERY, KEY, VALUE)]
    actual = attend(*map(ops.convert_to_tensor, arrays), CASES["causal_and_padding"])
    expected = attention(*arrays, visible_pairs(QUERIES, KEYS, **CASES["causal_and_padding"]))
    np.testing.assert_allclose(numpy(actual), expected, rtol=1e-12, atol=1e-12)


@not_on_torch
@pytest.mark.parametrize("name", ["all", "causal_and_padding", "causal_window"])
def test_seeds_determine_the_dropout(name):
    case = CASES[name]
    actual = attend(*map(ops.convert_to_tensor, (QUERY, KEY, VALUE)), case, seeds=SEEDS, rate=0.4)
    keep = numpy(keep_mask(SEEDS, np.arange(KEYS, dtype="int32"), 0.4))
    expected = attention(QUERY, KEY, VALUE, visible_pairs(QUERIES, KEYS, **case), keep, 0.4)
    np.testing.assert_allclose(numpy(actual), expected, rtol=1e-5, atol=1e-5)


def test_sizes_decide_if_blocks_are_used(monkeypatch):
    monkeypatch.undo()  # restores the constants that `small_blocks` reduced

    def is_blockwise(queries, keys, implementation="auto", batch=2, has_dropout=False):
        shapes = [(2, 4, queries, 8), (batch, 4, keys, 8), (batch, 4, keys, 8)]
        return can_run_dot_blockwise(
            *(keras.KerasTensor(shape) for shape in shapes), implementation, has_dropout
        )

    assert is_blockwise(512, 512) and is_blockwise(64, 8192) and is_blockwise(None, 8)
    assert not is_blockwise(256, 256) and not is_blockwise(1, 2**20)
    assert is_blockwise(8, 8, "blockwise") and not is_blockwise(8192, 8192, "plain")
    assert not is_blockwise(1, 8, "blockwise")  # A single query gains nothing from blocks.
    assert not is_blockwise(512, 512, batch=1)  # The plain steps broadcast.
    assert is_blockwise(512, 512, has_dropout=True) == (keras.backend.backend() != "torch")
