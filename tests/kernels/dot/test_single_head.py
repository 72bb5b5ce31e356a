"""Dot-product attention of layers with a single head: plain and blockwise agree."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_attention
from keras_attention.kernels import attention as attention_module
from keras_attention.kernels.attention import can_run_dot_blockwise
from keras_attention.score import CosineScore, DotScore
from tests.gradients import gradients

RNG = np.random.default_rng(0)
QUERY, VALUE = (RNG.normal(size=(2, t, 6)).astype("float32") for t in (7, 11))
QUERY_MASK = np.arange(7) < np.array([[7], [4]])
VALUE_MASK = np.arange(11) < np.array([[11], [5]])
PAIRS = RNG.random((2, 7, 11)) < 0.6
PAIRS[1, 3] = False  # a fully masked query
LAYERS = {
    "dot": lambda **o: keras_attention.Attention(**o),
    "scaled": lambda **o: keras_attention.Attention(DotScore(scaled=True, use_scale=True), **o),
    "general": lambda **o: keras_attention.LuongAttention("general", **o),
    "vector": lambda **o: keras_attention.LuongAttention("dot", 5, **o),
}
CALLS = {
    "all": {},
    "padding": {"mask": [QUERY_MASK, VALUE_MASK]},
    "causal": {"use_causal_mask": True, "mask": [None, VALUE_MASK]},
    "pairs": {"attention_mask": PAIRS},
    "shared_pairs": {"attention_mask": PAIRS[0], "mask": [QUERY_MASK, None]},
}
every_layer = pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS.keys())


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """Use blocks of three queries on TensorFlow."""
    monkeypatch.setattr("keras_attention.kernels.tuning.DOT_MAX_ROWS_PER_BLOCK", 3)
    monkeypatch.setattr("keras_attention.kernels.tuning.DOT_MIN_WEIGHTS_PER_HEAD", 1)


def make_pair(make, **options):
    """Return a plain and a blockwise layer with the same weights."""
    layers = [make(implementation=i, **options) for i in ("plain", "blockwise")]
    for layer in layers:
        layer.build([QUERY.shape, VALUE.shape])
    layers[1].set_weights(layers[0].get_weights())
    return layers


def run(layer, query, value, **call):
    """Return the output, and the gradients of query, value and weights."""

    def loss(query, value):
        return ops.sum(layer([query, value], **call) ** 2)

    output = ops.convert_to_numpy(layer([query, value], **call))
    return [output, *gradients(loss, [query, value], layer.trainable_variables)]


def assert_same(results, expected_results, tolerance=1e-5):
    """Compare with a tolerance that grows with values beyond 10.

    Float32 terms that cancel leave an error that is proportional to their size.
    """
    for result, expected in zip(results, expected_results, strict=True):
        scale = max(1, np.abs(expected).max(initial=0) / 10)
        np.testing.assert_allclose(result, expected, rtol=tolerance, atol=tolerance * scale)


@every_layer
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_blockwise_equals_the_plain_steps(make, call):
    plain, blockwise = make_pair(make)
    expected = run(plain, QUERY, VALUE, **call)
    assert_same(run(blockwise, QUERY, VALUE, **call), expected)


@every_layer
def test_nan_at_masked_positions_changes_nothing(make):
    _, layer = make_pair(make)
    inputs_with_nan = [
        np.where(mask[..., None], x, np.float32(np.nan))
        for x, mask in ((QUERY, QUERY_MASK), (VALUE, VALUE_MASK))
    ]
    for causal in (False, True):
        call = {**CALLS["padding"], "use_causal_mask": causal}
        expected = run(layer, QUERY, VALUE, **call)
        assert_same(run(layer, *inputs_with_nan, **call), expected, tolerance=0)


def test_returned_weights_are_plain_and_do_not_change_the_context():
    plain, blockwise = make_pair(LAYERS["general"])
    context_only = ops.convert_to_numpy(blockwise([QUERY, VALUE]))
    context, weights = blockwise([QUERY, VALUE], return_attention_scores=True)
    assert_same([ops.convert_to_numpy(context)], [context_only], 0)
    _, expected = plain([QUERY, VALUE], return_attention_scores=True)
    assert_same([ops.convert_to_numpy(weights)], [ops.convert_to_numpy(expected)], tolerance=0)


@every_layer
@pytest.mark.parametrize("return_weights", [False, True], ids=["context", "weights"])
def test_dropout_is_the_same_in_every_implementation(make, return_weights):
    layers = make_pair(make, dropout=0.4, seed=3)
    results = []
    for layer in layers:

        def loss(query, value, layer=layer):
            call = {"training": True, "return_attention_scores": return_weights, **CALLS["padding"]}
            output = layer([query, value], **call)
            return ops.sum((output[0] if return_weights else output) ** 2)

        results.append(gradients(loss, [QUERY, VALUE], layer.trainable_variables))
    assert_same(*results[::-1])
    assert np.isfinite(results[1][0]).all()
    call = {"training": True, **CALLS["padding"]}
    outputs = [
        [ops.convert_to_numpy(layer([QUERY, VALUE], **call)) for _ in range(2)] for layer in layers
    ]
    assert np.abs(outputs[0][0] - outputs[0][1]).max() > 0.01  # each call samples new dropout
    assert_same(*outputs[::-1])


def test_single_query_is_evaluated_plainly(monkeypatch):
    monkeypatch.setattr(attention_module, "dot_attention", None)
    layer = keras_attention.Attention(implementation="blockwise")
    layer([QUERY[:, 0], VALUE])
    with pytest.raises(TypeError):
        layer([QUERY, VALUE])


def test_blockwise_is_chosen_by_size(monkeypatch):
    monkeypatch.undo()

    def is_blockwise(queries, keys, implementation="auto", has_dropout=False):
        query, key = (keras.KerasTensor((2, t, 8)) for t in (queries, keys))
        return can_run_dot_blockwise(query, key, key, implementation, has_dropout, has_heads=False)

    assert is_blockwise(512, 512) and is_blockwise(None, 8) and not is_blockwise(256, 256)
    assert is_blockwise(8, 8, "blockwise") and not is_blockwise(8192, 8192, "plain")
    supports_dropout = keras.backend.backend() != "torch"
    assert is_blockwise(512, 512, has_dropout=True) == supports_dropout


def test_blockwise_without_a_kernel_is_refused():
    with pytest.raises(ValueError, match="softmax.*normalize='sparsemax'.*'blockwise'"):
        keras_attention.Attention(normalize="sparsemax", implementation="blockwise")
    with pytest.raises(ValueError, match="without a blockwise.*implementation='blockwise'"):
        keras_attention.Attention(CosineScore(), implementation="blockwise")
    with pytest.raises(ValueError, match="score='location'.*implementation='blockwise'"):
        keras_attention.LuongAttention("location", max_length=9, implementation="blockwise")
