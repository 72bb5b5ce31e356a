"""Drop-in replacement for Keras's attention layers: the same calls give the same results."""

import inspect

import keras
import numpy as np
import pytest
from keras import ops

import keras_attention
from keras_attention.score import DotScore

RNG = np.random.default_rng(0)
QUERY, VALUE, KEY, WIDE = (
    RNG.normal(size=shape).astype("float32")
    for shape in [(2, 3, 5), (2, 7, 5), (2, 7, 5), (2, 7, 11)]
)
QUERY_MASK, VALUE_MASK = RNG.random((2, 3)) < 0.6, np.arange(7) < np.array([[7], [4]])
PAIRS = RNG.random((2, 3, 7)) < 0.6
PAIRS[..., 0] = True  # every query has a visible key


def build_our_scaled():
    return keras_attention.Attention(DotScore(use_scale=True))


def build_our_additive():
    identity = keras.initializers.Identity()
    return keras_attention.AdditiveAttention(kernel_initializer=identity)


LAYERS = {
    "dot": (keras.layers.Attention, keras_attention.Attention),
    "scaled": (lambda: keras.layers.Attention(use_scale=True), build_our_scaled),
    "additive": (keras.layers.AdditiveAttention, build_our_additive),
}
every_layer = pytest.mark.parametrize("name", LAYERS)
CALLS = {
    "query, value": ([QUERY, VALUE], {}),
    "query, value, key": ([QUERY, VALUE, KEY], {}),
    "a wider value": ([QUERY, WIDE, KEY], {}),
    "self-attention": ([VALUE, VALUE], {}),
    "memory of batch 1": ([QUERY, VALUE[:1]], {}),
    "query of batch 1": ([QUERY[:1], VALUE], {}),
    "head axis": ([np.stack([QUERY] * 2, 1), np.stack([VALUE] * 2, 1)], {}),
    "both masks": ([QUERY, VALUE], {"mask": [QUERY_MASK, VALUE_MASK]}),
    "three masks": ([QUERY, VALUE, KEY], {"mask": [QUERY_MASK, VALUE_MASK, VALUE_MASK]}),
    "no query mask": ([QUERY, VALUE], {"mask": [None, VALUE_MASK]}),
    "no value mask": ([QUERY, VALUE], {"mask": [QUERY_MASK, None]}),
    "masks of None": ([QUERY, VALUE], {"mask": [None, None]}),
    "a mask of pairs": ([QUERY, VALUE], {"mask": [None, PAIRS]}),
    "masks with a head axis": (
        [np.stack([QUERY] * 2, 1), np.stack([VALUE] * 2, 1)],
        {"mask": [np.stack([QUERY_MASK] * 2, 1), VALUE_MASK[:, None, None]]},
    ),
    "causal": ([VALUE, VALUE], {"use_causal_mask": True}),
    "causal and masked": ([VALUE, KEY], {"mask": [None, VALUE_MASK], "use_causal_mask": True}),
    "in training": ([QUERY, VALUE], {"training": True}),
}
every_call = pytest.mark.parametrize("call", CALLS)


def build_both(name, inputs):
    """Return Keras's layer and ours, with the same random weights."""
    theirs, ours = (make() for make in LAYERS[name])
    theirs(inputs), ours(inputs)
    rng = np.random.default_rng(1)
    weights = [rng.normal(size=w.shape) for w in theirs.get_weights()]
    theirs.set_weights(weights)
    ours.set_weights([*ours.get_weights()[: -len(weights)], *weights] if weights else [])
    return theirs, ours


def numpy(nest):
    return keras.tree.map_structure(ops.convert_to_numpy, nest)


@every_layer
@every_call
def test_every_call_equals_keras(name, call):
    inputs, options = CALLS[call]
    theirs, ours = build_both(name, inputs)
    context, weights = numpy(theirs(inputs, return_attention_scores=True, **options))
    context_ours, weights_ours = numpy(ours(inputs, return_attention_scores=True, **options))
    query_mask = (options.get("mask") or [None])[0]
    if query_mask is not None:  # Keras masks queries in the context only
        weights = np.where(query_mask[..., None], weights, 0)
    np.testing.assert_allclose(context_ours, context, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(weights_ours, weights, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(numpy(ours(inputs, **options)), context_ours)


@every_layer
@pytest.mark.parametrize("return_attention_scores", [False, True])
def test_symbolic_shapes_equal_keras(name, return_attention_scores):
    inputs = [keras.KerasTensor((None, None, 5)), keras.KerasTensor((None, 7, 5))]
    theirs, ours = (
        make()(inputs, return_attention_scores=return_attention_scores) for make in LAYERS[name]
    )
    keras.tree.map_structure(_assert_same_tensor, ours, theirs)


def _assert_same_tensor(a, b):
    assert (a.shape, a.dtype) == (b.shape, b.dtype)


@pytest.mark.parametrize("layer", ["Attention", "AdditiveAttention"])
def test_call_has_every_argument_of_keras(layer):
    theirs, ours = (
        inspect.signature(getattr(module, layer).call).parameters
        for module in (keras.layers, keras_attention)
    )
    assert set(theirs) <= set(ours)
    assert all(bool(ours[n].default) == bool(theirs[n].default) for n in theirs)


@pytest.mark.parametrize("layer", ["Attention", "AdditiveAttention"])
def test_constructors_share_dropout_and_seed_with_keras(layer):
    ours = getattr(keras_attention, layer)(dropout=0.25, seed=3, name="named", dtype="float16")
    theirs = getattr(keras.layers, layer)(dropout=0.25, seed=3, name="named", dtype="float16")
    shared = set(ours.get_config()) & set(theirs.get_config())
    assert shared == {"dropout", "seed", "name", "dtype", "trainable"}
    assert all(ours.get_config()[n] == theirs.get_config()[n] for n in shared)


@every_layer
def test_implicit_masks_are_used_and_passed_on_as_in_keras(name):
    masked_query = np.where(QUERY_MASK[..., None], QUERY, 0).astype("float32")
    masked_value = np.where(VALUE_MASK[..., None], VALUE, 0).astype("float32")
    masking = keras.layers.Masking()
    inputs = [masking(masked_query), masking(masked_value)]
    theirs, ours = (layer(inputs) for layer in build_both(name, inputs))
    np.testing.assert_allclose(numpy(ours), numpy(theirs), atol=1e-5)
    pooled = [keras.layers.GlobalAveragePooling1D()(x) for x in (theirs, ours)]
    np.testing.assert_allclose(*numpy(pooled), atol=1e-5)
