"""The selection of a kernel or the plain steps, also for custom scores and subclasses."""

import logging

import keras
import numpy as np
import pytest
from keras import ops

import keras_attention
from keras_attention.kernels import attention as attention_module
from keras_attention.kernels.attention import (
    can_compare_blockwise,
    can_run_additive_blockwise,
    compare,
)
from keras_attention.score import AdditiveScore, CosineScore, DotScore, GeneralScore, LocationScore

UNITS = 17
RNG = np.random.default_rng(0)
QUERY, VALUE = (RNG.normal(size=(2, t, 8)).astype("float32") for t in (40, 40))


def tensor(*shape):
    return keras.KerasTensor(shape)


@pytest.fixture
def list_logged_kernels(caplog):
    """Return a function that calls another one and returns the names of the logged kernels."""
    caplog.set_level(logging.DEBUG, logger="keras_attention.kernels")

    def record(function, *args, **kwargs):
        caplog.clear()
        function(*args, **kwargs)
        return [record.getMessage().split(":")[0] for record in caplog.records]

    return record


@pytest.mark.parametrize(
    "query, key, compiled, uncompiled",
    [
        ((8, 256, 64), (8, 256, 64), True, True),
        ((None, 256, 64), (None, 256, 64), True, True),
        ((None, None, 64), (None, None, 64), True, True),
        ((64, 20, 256), (64, 20, 256), True, False),
        ((8, 16, 64), (8, 16, 64), False, False),
        ((None, 1, 64), (None, None, 64), False, False),
        ((8, 256, 8), (8, 256, 8), False, False),
        ((8, 256, 64), (1, 256, 64), False, False),
    ],
    ids=["large", "batch", "unknown", "short", "small", "one_query", "few_units", "one_memory"],
)
def test_additive_scores_choose_the_faster_implementation_by_size(
    query, key, compiled, uncompiled, monkeypatch
):
    query, key, score = tensor(*query), tensor(*key), AdditiveScore()
    for is_compiled, expected in [(True, compiled), (False, uncompiled)]:
        monkeypatch.setattr(attention_module, "is_compiled", lambda answer=is_compiled: answer)
        assert can_compare_blockwise(score, query, key) == expected
        assert can_compare_blockwise(score, query, key, "blockwise")
        assert not can_compare_blockwise(score, query, key, "plain")


@pytest.mark.parametrize(
    "query, key, expected",
    [
        ((8, 256, 64), (8, 256, 64), False),
        ((8, 257, 64), (8, 256, 64), True),
        ((None, 1024, 64), (None, 1024, 64), True),
        ((None, None, 64), (None, None, 64), False),
    ],
)
def test_long_sequences_run_blockwise(query, key, expected):
    query, key = tensor(*query), tensor(*key)
    assert can_run_additive_blockwise(AdditiveScore(), query, key, key) == expected


class HalfAdditive(AdditiveScore):
    def compare(self, query, key):
        return super().compare(query, key) / 2


class FirstKeysOnly(DotScore):
    def covers(self, key):
        return ops.arange(ops.shape(key)[-2])[None] < 3


class Halving:
    def compare(self, query, key):
        return super().compare(query, key) / 2


class MixedIn(Halving, DotScore):
    pass


class OtherProjection(DotScore):
    def project_query(self, query):
        return 2 * super().project_query(query)


class OwnKernel(HalfAdditive):
    kernel_family = "additive"

    def compare(self, query, key):
        return 2 * super().compare(query, key)


@pytest.mark.parametrize(
    "kind, family",
    [
        (AdditiveScore, "additive"),
        (DotScore, "dot"),
        (GeneralScore, "dot"),
        (CosineScore, None),
        (LocationScore, None),
        (HalfAdditive, None),
        (type("Sub", (HalfAdditive,), {}), None),
        (FirstKeysOnly, None),
        (MixedIn, None),
        (OtherProjection, "dot"),
        (OwnKernel, "additive"),
    ],
)
def test_score_with_another_formula_has_no_kernel(kind, family):
    assert kind.kernel_family == family


@pytest.mark.parametrize("kind", [FirstKeysOnly, MixedIn, HalfAdditive])
def test_layer_evaluates_a_custom_score_by_its_own_formula(kind, list_logged_kernels):
    layer = keras_attention.Attention(kind())
    assert list_logged_kernels(layer, [QUERY, VALUE]) == ["plain"]
    results = layer([QUERY, VALUE], return_attention_scores=True)
    context, weights = map(ops.convert_to_numpy, results)
    np.testing.assert_allclose(context, weights @ VALUE, rtol=1e-5, atol=1e-5)
    if kind is FirstKeysOnly:
        assert not np.any(weights[..., 3:])


def test_custom_score_is_compared_by_its_own_formula():
    query, key = RNG.normal(size=(2, 2, 3, UNITS)).astype("float32")
    results = []
    for score in (HalfAdditive(), AdditiveScore()):
        score(query, key)
        score.set_weights([np.eye(UNITS), np.eye(UNITS), np.ones(UNITS)])
        results.append(ops.convert_to_numpy(compare(score, query, key, "blockwise")))
    np.testing.assert_allclose(2 * results[0], results[1], atol=1e-5)


def test_score_without_kernels_is_compared_plainly():
    query = RNG.normal(size=(2, 300, 64)).astype("float32")
    assert not can_compare_blockwise(DotScore(), query, query)
    results = compare(DotScore(), query, query), DotScore()(query, query)
    np.testing.assert_array_equal(*map(ops.convert_to_numpy, results))


def make_printing_subclass(kind, *hooks):
    """Return a subclass whose hooks print and then call the method that they override."""

    def override(name):
        def hook(self, *args, **kwargs):
            print(name)
            return getattr(super(subclass, self), name)(*args, **kwargs)

        return hook

    subclass = type(f"Printing{kind.__name__}", (kind,), {name: override(name) for name in hooks})
    return subclass


HOOKS = "prepare", "attend", "transform_output", "average_heads", "add_perturbation_loss"
LAYERS = {
    "additive": (keras_attention.AdditiveAttention, {"units": UNITS}),
    "dot": (keras_attention.Attention, {}),
    "general": (keras_attention.LuongAttention, {}),
    "heads": (keras_attention.MultiHeadAttention, {"num_heads": 2}),
    "self": (keras_attention.MultiHeadSelfAttention, {"num_heads": 2, "window": 3}),
}


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_printing_hooks_do_not_change_the_kernel(name, dropout, list_logged_kernels):
    kind, options = LAYERS[name]
    for implementation in ("blockwise", "plain"):
        layers = [
            cls(**options, implementation=implementation, dropout=dropout, seed=1)
            for cls in (kind, make_printing_subclass(kind, *HOOKS))
        ]
        kernel_names = [
            list_logged_kernels(layer, [QUERY, VALUE], training=True) for layer in layers
        ]
        assert kernel_names[0] == kernel_names[1]
        is_plain = implementation == "plain" or (
            keras.backend.backend() == "torch" and dropout and name != "additive"
        )
        assert ("plain" in kernel_names[0]) == is_plain


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="inspects a TensorFlow graph")
@pytest.mark.parametrize("name", LAYERS)
def test_printing_hooks_do_not_change_the_largest_tensor(name, monkeypatch):
    import tensorflow as tf

    from tests.kernels.additive.test_memory import list_sizes_in_graph

    monkeypatch.setattr(attention_module.tuning, "ADDITIVE_PAIRS_PER_BLOCK", 400)
    monkeypatch.setattr(attention_module.tuning, "ADDITIVE_TERMS_PER_ITERATION", 2)
    monkeypatch.setattr(attention_module.tuning, "DOT_MAX_SCORES_PER_BLOCK", 400)
    monkeypatch.setattr(attention_module.tuning, "DOT_MIN_WEIGHTS_PER_HEAD", 400)
    kind, options = LAYERS[name]

    def max_tensor_size(layer):
        layer([QUERY, VALUE])

        @tf.function
        def run(query, value):
            with tf.GradientTape() as tape:
                tape.watch([query, value])
                context = layer([query, value])
            return tape.gradient(context, [query, value])

        inputs = tf.constant(QUERY), tf.constant(VALUE)
        return max(list_sizes_in_graph(run.get_concrete_function(*inputs).graph))

    layers = kind, make_printing_subclass(kind, *HOOKS), kind
    implementations = "blockwise", "blockwise", "plain"
    result, with_hooks, plain = (
        max_tensor_size(cls(**options, implementation=implementation))
        for cls, implementation in zip(layers, implementations, strict=True)
    )
    assert with_hooks == result < plain


def test_log_names_kernel_and_shapes_once_per_attention(caplog):
    layer = keras_attention.AdditiveAttention(4)
    layer([QUERY, VALUE])
    assert not caplog.records
    caplog.set_level(logging.DEBUG, logger="keras_attention.kernels")
    layer([QUERY, VALUE])
    (record,) = caplog.records
    assert (record.name, record.levelname) == ("keras_attention.kernels", "DEBUG")
    assert record.getMessage() == "plain: queries (2, 40, 4), keys (2, 40, 4)"


def test_blockwise_context_with_returned_weights_is_logged_once(list_logged_kernels):
    layer = keras_attention.MultiHeadAttention(2, implementation="blockwise")
    options = {"return_attention_scores": True}
    assert list_logged_kernels(lambda: layer([QUERY, VALUE], **options)) == [
        "dot product, blockwise"
    ]


def test_disabled_log_formats_nothing(monkeypatch):
    messages = []
    monkeypatch.setattr(attention_module.logger, "debug", lambda *args: messages.append(args))
    keras_attention.AdditiveAttention(4)([QUERY, VALUE])
    assert not messages


def test_score_that_covers_some_keys_has_no_kernels():
    class TwoKeys(DotScore):
        kernel_family = "dot"

        def covers(self, key):
            return ops.arange(ops.shape(key)[-2])[None, :] < 2

    assert TwoKeys.kernel_family is None
    actual = keras_attention.Attention(TwoKeys())([QUERY, VALUE])
    expected = keras_attention.Attention("dot")([QUERY, VALUE[:, :2]])
    np.testing.assert_allclose(
        ops.convert_to_numpy(actual), ops.convert_to_numpy(expected), atol=1e-5
    )


def test_implementation_belongs_to_the_layer():
    layer = keras_attention.AdditiveAttention(implementation="blockwise")
    loaded = keras_attention.AdditiveAttention.from_config(layer.get_config())
    assert loaded.implementation == "blockwise"
    assert "implementation" not in layer.score.get_config()
    for kind in (AdditiveScore, DotScore, GeneralScore):
        with pytest.raises((TypeError, ValueError)):
            kind(implementation="plain")
    for kind in (keras_attention.AdditiveAttention, keras_attention.Attention):
        with pytest.raises(ValueError, match="`implementation` .* Received: implementation='fast'"):
            kind(implementation="fast")
