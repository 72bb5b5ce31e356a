"""Layers of one head read long sequences without a table too, where nothing of theirs needs one."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_attention
from keras_attention.kernels.dot import one_head
from keras_attention.kernels.dot.one_head import supports
from keras_attention.normalize import softmax, sparsemax
from keras_attention.score import CosineScore, DotScore, GeneralScore
from tests.gradients import gradients

RNG = np.random.default_rng(0)
QUERY, VALUE = (RNG.normal(size=(2, t, 6)).astype("float32") for t in (7, 11))
QUERY_MASK = np.arange(7) < np.array([[7], [4]])
VALUE_MASK = np.arange(11) < np.array([[11], [5]])
PAIRS = RNG.random((2, 7, 11)) < 0.6
PAIRS[1, 3] = False  # a query that sees nothing
LAYERS = {
    "dot": lambda i, **o: keras_attention.Attention(DotScore(implementation=i), **o),
    "scaled": lambda i, **o: keras_attention.Attention(DotScore(True, True, implementation=i), **o),
    "general": lambda i, **o: keras_attention.LuongAttention("general", implementation=i, **o),
    "vector": lambda i, **o: keras_attention.LuongAttention("dot", 5, implementation=i, **o),
}
CALLS = {
    "all": {},
    "padding": {"mask": [QUERY_MASK, VALUE_MASK]},
    "causal": {"use_causal_mask": True, "mask": [None, VALUE_MASK]},
    "pairs": {"attention_mask": PAIRS},
    "pairs_of_all": {"attention_mask": PAIRS[0], "mask": [QUERY_MASK, None]},
}
every_layer = pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS.keys())


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """Blocks of three queries and four keys, on TensorFlow."""
    monkeypatch.setattr("keras_attention.kernels.tuning.DOT_MAX_ROWS_PER_BLOCK", 3)
    monkeypatch.setattr("keras_attention.kernels.tuning.DOT_MIN_WEIGHTS_PER_HEAD", 1)


def pair(make):
    layers = [make(i) for i in ("plain", "blockwise")]
    for layer in layers:
        layer.build([QUERY.shape, VALUE.shape])
    layers[1].set_weights(layers[0].get_weights())
    return layers


def everything(layer, query, value, **call):
    def loss(query, value):
        return ops.sum(layer([query, value], **call) ** 2)

    output = ops.convert_to_numpy(layer([query, value], **call))
    return [output, *gradients(loss, [query, value], layer.trainable_variables)]


def assert_same(found, wanted, tolerance=1e-5):
    """Of values beyond 10 in a sum float32 itself leaves 1e-6: terms that cancel keep the error."""
    for got, want in zip(found, wanted, strict=True):
        scale = max(1, np.abs(want).max(initial=0) / 10)
        np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance * scale)


@every_layer
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_it_equals_the_plain_steps(make, call):
    plain, blockwise = pair(make)
    wanted = everything(plain, QUERY, VALUE, **call)
    assert_same(everything(blockwise, QUERY, VALUE, **call), wanted)


@every_layer
def test_nan_behind_masks_changes_nothing(make):
    _, layer = pair(make)
    poisoned = [
        np.where(mask[..., None], x, np.float32(np.nan))
        for x, mask in ((QUERY, QUERY_MASK), (VALUE, VALUE_MASK))
    ]
    for causal in (False, True):
        call = {**CALLS["padding"], "use_causal_mask": causal}
        wanted = everything(layer, QUERY, VALUE, **call)
        assert_same(everything(layer, *poisoned, **call), wanted, tolerance=0)


def test_asking_for_weights_changes_no_context_and_gives_those_of_the_table():
    plain, blockwise = pair(LAYERS["general"])
    asked, weights = blockwise([QUERY, VALUE], return_attention_scores=True)
    assert_same([ops.convert_to_numpy(blockwise([QUERY, VALUE]))], [ops.convert_to_numpy(asked)], 0)
    _, wanted = plain([QUERY, VALUE], return_attention_scores=True)
    assert_same([ops.convert_to_numpy(weights)], [ops.convert_to_numpy(wanted)], tolerance=0)


@every_layer
@pytest.mark.parametrize("ask", [False, True], ids=["alone", "asked"])
def test_the_seed_drops_the_same_weights_without_a_table(make, ask):
    layers = pair(lambda i: make(i, dropout=0.4, seed=3))
    found = []
    for layer in layers:

        def loss(query, value, layer=layer):
            call = {"training": True, "return_attention_scores": ask, **CALLS["padding"]}
            output = layer([query, value], **call)
            return ops.sum((output[0] if ask else output) ** 2)

        found.append(gradients(loss, [QUERY, VALUE], layer.trainable_variables))
    assert_same(*found[::-1])
    assert np.isfinite(found[1][0]).all()
    call = {"training": True, **CALLS["padding"]}
    drawn = [
        [ops.convert_to_numpy(layer([QUERY, VALUE], **call)) for _ in "ab"] for layer in layers
    ]
    assert np.abs(drawn[0][0] - drawn[0][1]).max() > 0.01  # each call drops others
    assert_same(*drawn[::-1])


def counted(monkeypatch):
    """A list that grows by one whenever the kernel reads."""
    calls, read = [], one_head.single_head_dot_attention

    def counting(*given):
        calls.append(given)
        return read(*given)

    place = "keras_attention.layers.query_value.base.single_head_dot_attention"
    monkeypatch.setattr(place, counting)
    return calls


def test_a_layer_whose_steps_are_its_own_keeps_them(monkeypatch):
    calls = counted(monkeypatch)
    score = DotScore(implementation="blockwise")
    keras_attention.Attention(score)([QUERY, VALUE])
    assert len(calls) == 1
    for name in ("prepare", "sample_noise", "attend", "read", "add_sampling_loss"):
        step = getattr(keras_attention.Attention, name)
        own = type("Own", (keras_attention.Attention,), {name: lambda *a, s=step, **k: s(*a, **k)})
        own(score)([QUERY, VALUE])
    keras_attention.Attention(score)([QUERY[:, 0], VALUE])
    assert len(calls) == 1


def test_it_is_chosen_by_score_normalizer_and_size():
    def chosen(score, queries, keys, normalize=softmax, dropped=False):
        query, key = (keras.KerasTensor((2, t, 8)) for t in (queries, keys))
        return supports(score, normalize, query, key, key, dropped)

    for kind in (DotScore, GeneralScore):
        assert chosen(kind(), 512, 512) and chosen(kind(), None, 8)
        assert not chosen(kind(), 256, 256) and not chosen(kind(), 512, 512, sparsemax)
        assert chosen(kind(implementation="blockwise"), 8, 8)
        assert not chosen(kind(implementation="plain"), 8192, 8192)
        is_dropping = keras.backend.backend() != "torch"
        assert chosen(kind(), 512, 512, dropped=True) == is_dropping
    own = type("Own", (DotScore,), {"compare": lambda self, query, key: query})
    assert not chosen(own(), 512, 512) and not chosen(CosineScore(), 512, 512)


def test_what_has_no_kernel_is_refused():
    with pytest.raises(ValueError, match="implementation='blockwise'.*normalize='sparsemax'"):
        keras_attention.Attention(DotScore(implementation="blockwise"), normalize="sparsemax")
    with pytest.raises(ValueError, match="score='location'.*implementation='blockwise'"):
        keras_attention.LuongAttention("location", max_length=9, implementation="blockwise")
    for kind in (DotScore, GeneralScore):
        with pytest.raises(ValueError, match="Expected `implementation` .* implementation='fast'"):
            kind(implementation="fast")
        assert kind.from_config(kind(implementation="plain").get_config()).implementation == "plain"
