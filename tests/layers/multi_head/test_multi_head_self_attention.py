import numpy as np
import pytest
from keras import ops

from keras_attention import MultiHeadSelfAttention
from tests import reference
from tests.layers.multi_head.multi_head_formulas import QUERY, X, expected, numpy, seeded

WAYS = {
    "plain": {},
    "window": {"window": 2},
    "rotary": {"rotary_base": 30.0},
    "all": {"window": 3, "rotary_base": 30.0, "num_key_value_heads": 2, "value_dim": 3},
}
every_way = pytest.mark.parametrize("way", WAYS)


def built(way="plain", x=X, **options):
    return seeded(MultiHeadSelfAttention(4, 6, **WAYS[way], **options), x)


def formula(layer, x, is_causal):
    mask = np.ones((7, 7), bool)
    if is_causal:
        mask &= reference.causal(7, 7)
    if layer.window is not None:
        mask &= reference.window(7, 7, layer.window)
    return expected(layer, x, x, x, np.stack([mask] * len(x)))


@every_way
@pytest.mark.parametrize("is_causal", [False, True])
def test_it_is_the_papers_formula(way, is_causal):
    layer = built(way)
    found = layer(X, use_causal_mask=is_causal, return_attention_scores=True)
    for got, want in zip(found, formula(layer, X, is_causal), strict=True):
        np.testing.assert_allclose(numpy(got), want, rtol=1e-5, atol=1e-5)


@every_way
def test_what_comes_later_changes_nothing_before(way):
    layer, changed = built(way), X.copy()
    changed[:, 5:] += 3
    before, after = (numpy(layer(x, use_causal_mask=True)) for x in (X, changed))
    np.testing.assert_array_equal(after[:, :5], before[:, :5])
    assert np.abs(after[:, 5:] - before[:, 5:]).max() > 0.01


@every_way
@pytest.mark.parametrize("is_causal", [False, True])
def test_the_tail_of_a_sequence_asks_as_in_the_whole(way, is_causal):
    layer = built(way)
    whole = layer(X, use_causal_mask=is_causal, return_attention_scores=True)
    tail = layer([X[:, -2:], X], use_causal_mask=is_causal, return_attention_scores=True)
    np.testing.assert_allclose(numpy(tail[0]), numpy(whole[0])[:, -2:], atol=1e-6)
    np.testing.assert_allclose(numpy(tail[1]), numpy(whole[1])[:, :, -2:], atol=1e-6)


def test_rotary_scores_know_how_far_and_not_where():
    layer = built("rotary")
    same = np.repeat(X[:, :1], 7, axis=1)  # the same vector everywhere: only positions differ
    memory = layer.prepare(ops.convert_to_tensor(same))

    def scores(first):
        positions = np.array([[first, first + 1, first + 2]] * 2)
        weights = layer.attend(same[:, :3], memory, positions=positions)[1]
        return np.log(numpy(weights))

    here, there = scores(0), scores(3)
    differences = here[:, :, :, 1:4] - here[:, :, :, :3], there[:, :, :, 4:] - there[:, :, :, 3:6]
    np.testing.assert_allclose(*differences, atol=1e-4)
    assert np.abs(here[:, :, 0] - here[:, :, 1]).max() > 0.1


def test_without_rotary_positions_a_permutation_is_carried_through():
    layer, order = built(), np.random.default_rng(3).permutation(7)
    np.testing.assert_allclose(numpy(layer(X[:, order])), numpy(layer(X))[:, order], atol=1e-5)
    turned = built("rotary")
    assert np.abs(numpy(turned(X[:, order])) - numpy(turned(X))[:, order]).max() > 0.01


def test_a_window_beside_the_whole_sequence_sees_all():
    wide = MultiHeadSelfAttention(4, 6, window=6)
    np.testing.assert_allclose(numpy(seeded(wide, X)(X)), numpy(built()(X)), atol=1e-6)


def test_rotary_positions_want_pairs():
    with pytest.raises(
        ValueError, match="Expected an even `key_dim`.* Received: key_dim=3, rotary"
    ):
        MultiHeadSelfAttention(2, 3, rotary_base=10000)(X)
    with pytest.raises(ValueError, match="even `key_dim` .* Received: key_dim=5"):
        MultiHeadSelfAttention(1, rotary_base=10000)(QUERY)
