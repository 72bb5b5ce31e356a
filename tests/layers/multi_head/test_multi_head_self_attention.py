import numpy as np
import pytest
from keras import ops

from keras_attention import MultiHeadSelfAttention
from tests import reference
from tests.layers.multi_head.multi_head_formulas import (
    QUERY,
    X,
    build_seeded,
    compute_expected,
    numpy,
)

MODES = {
    "plain": {},
    "window": {"window": 2},
    "rotary": {"rotary_base": 30.0},
    "all": {"window": 3, "rotary_base": 30.0, "num_key_value_heads": 2, "value_dim": 3},
}
every_mode = pytest.mark.parametrize("mode", MODES)


def build(mode="plain", x=X, **options):
    return build_seeded(MultiHeadSelfAttention(4, 6, **MODES[mode], **options), x)


def formula(layer, x, is_causal):
    mask = np.ones((7, 7), bool)
    if is_causal:
        mask &= reference.causal(7, 7)
    if layer.window is not None:
        mask &= reference.window(7, 7, layer.window)
    return compute_expected(layer, x, x, x, np.stack([mask] * len(x)))


@every_mode
@pytest.mark.parametrize("is_causal", [False, True])
def test_output_equals_the_formula_of_the_paper(mode, is_causal):
    layer = build(mode)
    results = layer(X, use_causal_mask=is_causal, return_attention_scores=True)
    for result, correct in zip(results, formula(layer, X, is_causal), strict=True):
        np.testing.assert_allclose(numpy(result), correct, rtol=1e-5, atol=1e-5)


@every_mode
def test_later_tokens_do_not_change_earlier_outputs(mode):
    layer, changed = build(mode), X.copy()
    changed[:, 5:] += 3
    before, after = (numpy(layer(x, use_causal_mask=True)) for x in (X, changed))
    np.testing.assert_array_equal(after[:, :5], before[:, :5])
    assert np.abs(after[:, 5:] - before[:, 5:]).max() > 0.01


@every_mode
@pytest.mark.parametrize("is_causal", [False, True])
def test_last_queries_alone_match_those_of_the_whole_sequence(mode, is_causal):
    layer = build(mode)
    expected = layer(X, use_causal_mask=is_causal, return_attention_scores=True)
    tail = layer([X[:, -2:], X], use_causal_mask=is_causal, return_attention_scores=True)
    np.testing.assert_allclose(numpy(tail[0]), numpy(expected[0])[:, -2:], atol=1e-6)
    np.testing.assert_allclose(numpy(tail[1]), numpy(expected[1])[:, :, -2:], atol=1e-6)


def test_rotary_scores_depend_on_relative_positions_only():
    layer = build("rotary")
    repeated = np.repeat(X[:, :1], 7, axis=1)  # the same vector at every position
    memory = layer.prepare(ops.convert_to_tensor(repeated))

    def scores(first):
        positions = np.array([[first, first + 1, first + 2]] * 2)
        weights = layer.attend(repeated[:, :3], memory, positions=positions)[1]
        return np.log(numpy(weights))

    early, late = scores(0), scores(3)
    differences = early[:, :, :, 1:4] - early[:, :, :, :3], late[:, :, :, 4:] - late[:, :, :, 3:6]
    np.testing.assert_allclose(*differences, atol=1e-4)
    assert np.abs(early[:, :, 0] - early[:, :, 1]).max() > 0.1


def test_without_rotary_positions_the_layer_is_permutation_equivariant():
    layer, order = build(), np.random.default_rng(3).permutation(7)
    np.testing.assert_allclose(numpy(layer(X[:, order])), numpy(layer(X))[:, order], atol=1e-5)
    rotary = build("rotary")
    assert np.abs(numpy(rotary(X[:, order])) - numpy(rotary(X))[:, order]).max() > 0.01


def test_window_as_long_as_the_sequence_masks_nothing():
    wide = MultiHeadSelfAttention(4, 6, window=6)
    np.testing.assert_allclose(numpy(build_seeded(wide, X)(X)), numpy(build()(X)), atol=1e-6)


def test_rotary_positions_need_an_even_key_dim():
    with pytest.raises(
        ValueError, match="Expected an even `key_dim`.* Received: key_dim=3, rotary"
    ):
        MultiHeadSelfAttention(2, 3, rotary_base=10000)(X)
    with pytest.raises(ValueError, match="even `key_dim` .* Received: key_dim=5"):
        MultiHeadSelfAttention(1, rotary_base=10000)(QUERY)
