"""Without the table of weights it is the same attention, on every backend."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention.kernels.attention import can_run_dot_blockwise
from keras_attention.kernels.dot.attention import dot_attention
from keras_attention.kernels.dropout import keep_mask
from keras_attention.mask.structured_mask import StructuredMask
from tests.finite_differences import FINEST, TOLERANCE, differences, only_with_float64
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
    sight,
)

every_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
not_on_torch = pytest.mark.skipif(
    keras.backend.backend() == "torch", reason="PyTorch's own attention has no such dropout"
)
SEEDS = np.random.default_rng(1).integers(0, 2**31 - 1, (2, HEADS, QUERIES)).astype("int32")


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """Blocks of three queries, so that seven queries make three blocks, the last one padded."""
    monkeypatch.setattr("keras_attention.kernels.dot.block_layout._rows", lambda visible: 3)


def read(query, key, value, case, **options):
    visible = StructuredMask(query.shape[2], key.shape[2], **case)
    return dot_attention(query, key, value, visible, implementation="blockwise", **options)


def numpy(x):
    return ops.convert_to_numpy(x)


@every_case
def test_it_equals_the_loops(case):
    found = numpy(read(*map(ops.convert_to_tensor, (QUERY, KEY, VALUE)), case))
    wanted = attention(QUERY, KEY, VALUE, sight(QUERIES, KEYS, **case))
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)
    blind = ~sight(QUERIES, KEYS, **case).any(axis=-1)
    np.testing.assert_array_equal(np.swapaxes(found, 1, 2)[blind], 0)


@pytest.mark.parametrize("name", ["causal", "window"])
def test_there_may_be_more_queries_than_keys(name):
    query = np.concatenate([QUERY, QUERY[:, :, ::-1]], axis=2)
    found = numpy(read(*map(ops.convert_to_tensor, (query, KEY, VALUE)), CASES[name]))
    wanted = attention(query, KEY, VALUE, sight(2 * QUERIES, KEYS, **CASES[name]))
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)


@every_case
def test_its_gradients_are_differences_of_the_loops(case):
    upstream = np.random.default_rng(2).normal(size=(2, HEADS, 3, VALUE.shape[-1]))
    query, key = QUERY[:, :, -3:], KEY[:, :, -4:]  # few numbers: each is moved
    value = VALUE[:, :, -4:, :3]
    parts = {"query_mask": np.s_[:, -3:], "key_mask": np.s_[:, -4:], "pairs": np.s_[..., -3:, -4:]}
    case = {n: x[parts[n]] if n in parts else x for n, x in case.items()}
    upstream = upstream[..., :3]

    def loss(query, key, value):
        return ops.sum(ops.multiply(read(query, key, value, case), upstream.astype(FINEST)))

    def formula(*arrays):
        return np.sum(attention(*arrays, sight(3, 4, **case)) * upstream)

    arrays = [x.astype(FINEST) for x in (query, key, value)]
    for got, want in zip(gradients(loss, arrays), differences(formula, arrays), strict=True):
        np.testing.assert_allclose(got, want, rtol=TOLERANCE, atol=TOLERANCE)


@pytest.mark.parametrize("plant", [np.nan, np.inf])
def test_a_query_that_sees_nothing_has_no_gradient_and_its_gradient_may_be_anything(plant):
    case = {"pairs": np.zeros((1, QUERIES, KEYS), bool)}

    def loss(query, key, value):
        return ops.sum(read(query, key, value, case) * np.float32(plant) * 0 + query[..., :1])

    found = gradients(loss, [QUERY[:1], KEY[:1], VALUE[:1]])
    for gradient in found[1:]:
        np.testing.assert_array_equal(gradient, 0)


def test_scores_may_be_large():
    case = {"causal": True, "key_mask": KEY_MASK}
    for size in (1e4, 1e12):
        large = [ops.convert_to_tensor(np.sign(x) * np.float32(size)) for x in (QUERY, KEY)]
        assert np.isfinite(numpy(read(*large, ops.convert_to_tensor(VALUE), case))).all()
    large = QUERY * 300, KEY, VALUE  # one key has it all, to a thousandth of a digit
    found = numpy(read(*map(ops.convert_to_tensor, large), case))
    wanted = attention(*large, sight(QUERIES, KEYS, **case))
    np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-3)


@only_with_float64
def test_float64_stays():
    arrays = [x.astype("float64") for x in (QUERY, KEY, VALUE)]
    found = read(*map(ops.convert_to_tensor, arrays), CASES["causal_and_padding"])
    wanted = attention(*arrays, sight(QUERIES, KEYS, **CASES["causal_and_padding"]))
    np.testing.assert_allclose(numpy(found), wanted, rtol=1e-12, atol=1e-12)


@not_on_torch
@pytest.mark.parametrize("name", ["all", "causal_and_padding", "causal_window"])
def test_the_seeds_say_what_is_dropped(name):
    case = CASES[name]
    found = read(*map(ops.convert_to_tensor, (QUERY, KEY, VALUE)), case, seeds=SEEDS, rate=0.4)
    stays = numpy(keep_mask(SEEDS, np.arange(KEYS, dtype="int32"), 0.4))
    wanted = attention(QUERY, KEY, VALUE, sight(QUERIES, KEYS, **case), stays, 0.4)
    np.testing.assert_allclose(numpy(found), wanted, rtol=1e-5, atol=1e-5)


def test_it_is_chosen_by_size():
    def chosen(queries, keys, implementation="auto", batch=2, dropped=False):
        shapes = [(2, 4, queries, 8), (batch, 4, keys, 8), (batch, 4, keys, 8)]
        return can_run_dot_blockwise(
            *(keras.KerasTensor(shape) for shape in shapes), implementation, dropped
        )

    assert chosen(512, 512) and chosen(64, 8192) and chosen(None, 8)
    assert not chosen(256, 256) and not chosen(1, 2**20)
    assert chosen(8, 8, "blockwise") and not chosen(8192, 8192, "plain")
    assert not chosen(1, 8, "blockwise")  # a single query is one block at best
    assert not chosen(512, 512, batch=1)  # the table's steps repeat what is there once
    assert chosen(512, 512, dropped=True) == (keras.backend.backend() != "torch")
