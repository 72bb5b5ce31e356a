import keras
import numpy as np
import pytest

from keras_attention import (
    MultiHeadAttention,
    MultiHeadSelfAttention,
    multi_head_from_keras,
    multi_head_to_keras,
)
from tests.layers.multi_head.multi_head_formulas import KEY, MASK, QUERY, VALUE, X, numpy, seeded

THEIRS = {
    "plain": lambda **o: keras.layers.MultiHeadAttention(3, 2, **o),
    "value_dim": lambda **o: keras.layers.MultiHeadAttention(2, 3, value_dim=7, **o),
    "no_bias": lambda **o: keras.layers.MultiHeadAttention(3, 2, use_bias=False, **o),
    "grouped": lambda **o: keras.layers.GroupQueryAttention(2, 6, 3, **o),
    "grouped_no_bias": lambda **o: keras.layers.GroupQueryAttention(2, 6, 3, use_bias=False, **o),
}
OURS = {
    "plain": {"num_heads": 3, "key_dim": 2},
    "value_dim": {"num_heads": 2, "key_dim": 3, "value_dim": 7},
    "no_bias": {"num_heads": 5, "use_bias": False},
    "grouped": {"num_heads": 6, "key_dim": 2, "num_key_value_heads": 3},
}
# Where a query sees nothing Keras gives the bias, ours zeros.
VISIBLE = MASK | ~MASK.any(-1, keepdims=True)


def built(way, **options):
    """Built by a call for the weights too: without, Keras on JAX knows one width for all."""
    call = QUERY, VALUE, KEY
    return seeded(THEIRS[way](**options), *call, return_attention_scores=True)


def assert_same(ours, theirs):
    """Equal outputs and weights for query, value and key of different widths."""
    options = {"attention_mask": VISIBLE, "return_attention_scores": True}
    found = ours([QUERY, VALUE, KEY], **options)
    wanted = theirs(QUERY, VALUE, KEY, **options)
    assert np.abs(numpy(wanted[0])).max() > 0.1
    for got, want in zip(found, wanted, strict=True):
        np.testing.assert_allclose(numpy(got), numpy(want), atol=1e-5)


@pytest.mark.parametrize("way", THEIRS)
@pytest.mark.parametrize("kind", [MultiHeadAttention, MultiHeadSelfAttention])
def test_what_comes_from_keras_computes_the_same(way, kind):
    theirs = built(way, name="theirs", dropout=0.25)
    ours = multi_head_from_keras(theirs, kind)
    assert_same(ours, theirs)
    assert (ours.name, ours.dropout, type(ours)) == ("theirs", 0.25, kind)


@pytest.mark.parametrize("way", OURS)
@pytest.mark.parametrize("kind", [MultiHeadAttention, MultiHeadSelfAttention])
def test_what_goes_to_keras_computes_the_same(way, kind):
    ours = seeded(kind(**OURS[way]), [QUERY, VALUE, KEY])
    theirs = multi_head_to_keras(ours)
    assert_same(ours, theirs)
    assert isinstance(theirs, keras.layers.GroupQueryAttention) == (way == "grouped")


@pytest.mark.parametrize("way", THEIRS)
def test_there_and_back_is_the_same_layer(way):
    theirs = built(way, name="there_and_back")
    again = multi_head_to_keras(multi_head_from_keras(theirs))
    assert type(again) is type(theirs)
    for got, want in zip(again.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_array_equal(got, want)
    same = ("name", "dropout", "use_bias", "seed", "dtype")
    assert all(again.get_config()[n] == theirs.get_config()[n] for n in same)


@pytest.mark.parametrize("is_causal", [False, True])
def test_windows_are_converted(is_causal):
    theirs = seeded(keras.layers.MultiHeadAttention(3, 2, sliding_window=3), X, X)
    ours = multi_head_from_keras(theirs)
    assert ours.window == 2
    wanted = numpy(theirs(X, X, use_causal_mask=is_causal))
    for layer in (ours, multi_head_from_keras(multi_head_to_keras(ours))):
        found = layer(X, use_causal_mask=is_causal)
        np.testing.assert_allclose(numpy(found), wanted, atol=1e-5)


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
def test_what_ours_has_not_is_refused(options, message):
    theirs = keras.layers.MultiHeadAttention(3, 2, **options)
    x = X if "attention_axes" not in options else X[:, :, None]
    theirs(x, x)
    with pytest.raises(ValueError, match=f"Expected `.* to make a .* Received: {message}"):
        multi_head_from_keras(theirs, MultiHeadAttention)


def test_what_keras_has_not_is_refused():
    rotary = seeded(MultiHeadSelfAttention(2, 4, rotary_base=10.0), X)
    with pytest.raises(ValueError, match="Expected .* Received: rotary_base=10.0"):
        multi_head_to_keras(rotary)
    grouped = seeded(MultiHeadAttention(4, 2, value_dim=3, num_key_value_heads=2), X)
    with pytest.raises(ValueError, match="Expected .* Received: value_dim=3, key_dim=2"):
        multi_head_to_keras(grouped)


def test_other_layers_are_refused():
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
