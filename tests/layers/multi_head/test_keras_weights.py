import keras
import numpy as np
import pytest

import keras_attention
from keras_attention import (
    MultiHeadAttention,
    MultiHeadSelfAttention,
    multi_head_from_keras,
    multi_head_to_keras,
)
from tests.layers.multi_head.multi_head_formulas import (
    KEY,
    MASK,
    QUERY,
    VALUE,
    X,
    build_seeded,
    numpy,
)

KERAS_LAYERS = {
    "plain": lambda **o: keras.layers.MultiHeadAttention(3, 2, **o),
    "value_dim": lambda **o: keras.layers.MultiHeadAttention(2, 3, value_dim=7, **o),
    "no_bias": lambda **o: keras.layers.MultiHeadAttention(3, 2, use_bias=False, **o),
    "grouped": lambda **o: keras.layers.GroupQueryAttention(2, 6, 3, **o),
    "grouped_no_bias": lambda **o: keras.layers.GroupQueryAttention(2, 6, 3, use_bias=False, **o),
}
OUR_OPTIONS = {
    "plain": {"num_heads": 3, "key_dim": 2},
    "value_dim": {"num_heads": 2, "key_dim": 3, "value_dim": 7},
    "no_bias": {"num_heads": 5, "use_bias": False},
    "grouped": {"num_heads": 6, "key_dim": 2, "num_key_value_heads": 3},
}
# Every query has a visible key: for a fully masked query Keras returns the bias, we return 0.
MASK_WITHOUT_EMPTY_ROWS = MASK | ~MASK.any(-1, keepdims=True)


def build(mode, **options):
    """Build a Keras layer by a call that returns weights.

    In other calls Keras on JAX assumes that query, value and key have equal widths.
    """
    call = QUERY, VALUE, KEY
    return build_seeded(KERAS_LAYERS[mode](**options), *call, return_attention_scores=True)


def assert_same(ours, theirs):
    """Compare outputs and weights for query, value and key of different widths."""
    options = {"attention_mask": MASK_WITHOUT_EMPTY_ROWS, "return_attention_scores": True}
    results = ours([QUERY, VALUE, KEY], **options)
    expected = theirs(QUERY, VALUE, KEY, **options)
    assert np.abs(numpy(expected[0])).max() > 0.1
    for result, correct in zip(results, expected, strict=True):
        np.testing.assert_allclose(numpy(result), numpy(correct), atol=1e-5)


@pytest.mark.parametrize("mode", KERAS_LAYERS)
@pytest.mark.parametrize("kind", [MultiHeadAttention, MultiHeadSelfAttention])
def test_layer_from_keras_computes_the_same(mode, kind):
    theirs = build(mode, name="theirs", dropout=0.25)
    ours = multi_head_from_keras(theirs, kind)
    assert_same(ours, theirs)
    assert (ours.name, ours.dropout, type(ours)) == ("theirs", 0.25, kind)


@pytest.mark.parametrize("mode", OUR_OPTIONS)
@pytest.mark.parametrize("kind", [MultiHeadAttention, MultiHeadSelfAttention])
def test_layer_to_keras_computes_the_same(mode, kind):
    ours = build_seeded(kind(**OUR_OPTIONS[mode]), [QUERY, VALUE, KEY])
    theirs = multi_head_to_keras(ours)
    assert_same(ours, theirs)
    assert isinstance(theirs, keras.layers.GroupQueryAttention) == (mode == "grouped")


@pytest.mark.parametrize("mode", KERAS_LAYERS)
def test_conversion_from_keras_and_back_gives_the_same_layer(mode):
    theirs = build(mode, name="there_and_back")
    converted_back = multi_head_to_keras(multi_head_from_keras(theirs))
    assert type(converted_back) is type(theirs)
    for result, correct in zip(converted_back.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_array_equal(result, correct)
    names = ("name", "dropout", "use_bias", "seed", "dtype")
    assert all(converted_back.get_config()[n] == theirs.get_config()[n] for n in names)


@pytest.mark.parametrize("is_causal", [False, True])
def test_windows_are_converted(is_causal):
    theirs = build_seeded(keras.layers.MultiHeadAttention(3, 2, sliding_window=3), X, X)
    ours = multi_head_from_keras(theirs)
    assert ours.window == 2
    expected = numpy(theirs(X, X, use_causal_mask=is_causal))
    for layer in (ours, multi_head_from_keras(multi_head_to_keras(ours))):
        results = layer(X, use_causal_mask=is_causal)
        np.testing.assert_allclose(numpy(results), expected, atol=1e-5)


def test_dtype_policies_are_converted():
    theirs = keras.layers.MultiHeadAttention(3, 2, dtype="mixed_bfloat16")
    theirs(X, X)
    ours = multi_head_from_keras(theirs)
    assert ours.dtype_policy.name == multi_head_to_keras(ours).dtype_policy.name == "mixed_bfloat16"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"output_shape": 3}, "output_shape=.3,."),
        ({"use_gate": True}, "use_gate=True"),
        ({"attention_axes": (1, 2)}, "attention_axes=.1, 2."),
        ({"sliding_window": 4}, "sliding_window=4"),
    ],
)
def test_keras_options_without_a_counterpart_are_refused(options, message):
    theirs = keras.layers.MultiHeadAttention(3, 2, **options)
    x = X if "attention_axes" not in options else X[:, :, None]
    theirs(x, x)
    with pytest.raises(ValueError, match=f"Expected `.* to convert to a .* Received: {message}"):
        multi_head_from_keras(theirs, MultiHeadAttention)


def test_our_options_without_a_counterpart_in_keras_are_refused():
    rotary = build_seeded(MultiHeadSelfAttention(2, 4, rotary_base=10.0), X)
    with pytest.raises(ValueError, match="Expected .* Received: rotary_base=10.0"):
        multi_head_to_keras(rotary)
    grouped = build_seeded(MultiHeadAttention(4, 2, value_dim=3, num_key_value_heads=2), X)
    with pytest.raises(ValueError, match="Expected .* Received: value_dim=3, key_dim=2"):
        multi_head_to_keras(grouped)


def test_functions_are_also_in_migrate():
    assert keras_attention.migrate.multi_head_from_keras is multi_head_from_keras
    assert keras_attention.migrate.multi_head_to_keras is multi_head_to_keras


def test_wrong_or_unbuilt_layers_are_refused():
    with pytest.raises(ValueError, match="Expected `layer` to be a keras.layers.M.* Received"):
        multi_head_from_keras(keras.layers.Dense(3))
    with pytest.raises(ValueError, match="Expected `layer` to be a MultiHeadSelf.* Received"):
        multi_head_to_keras(keras.layers.Dense(3))
    with pytest.raises(ValueError, match="Expected `layer` to be built"):
        multi_head_from_keras(keras.layers.MultiHeadAttention(3, 2))
    with pytest.raises(ValueError, match="Expected `layer` to be built"):
        multi_head_to_keras(MultiHeadAttention(3, 2))
    with pytest.raises(ValueError, match="Expected `kind`"):
        multi_head_from_keras(keras.layers.MultiHeadAttention(3, 2), keras.layers.Dense)
