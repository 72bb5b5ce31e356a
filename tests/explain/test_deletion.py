"""Deletion curves of models whose outputs are known by hand; agreement of explanations."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from keras_attention.explain import agreement, deletion


def make_sum():
    return keras.Sequential([keras.Input((None, 1)), layers.GlobalAveragePooling1D()])


VALUES = np.array([[1.0, 8.0, 2.0, 4.0], [3.0, 0.0, 9.0, 0.0]])[..., None]


@pytest.mark.parametrize("batch_size", [1, 32])
def test_most_important_positions_are_replaced_first(batch_size):
    curve = deletion(
        make_sum(), VALUES, VALUES[..., 0], [0, 0.25, 0.5, 1], baseline=4, batch_size=batch_size
    )
    expected = np.array([[15, 11, 11, 16], [12, 7, 8, 16]]) / 4
    np.testing.assert_allclose(curve, expected, rtol=1e-6)
    assert curve.dtype == np.float32


def test_masked_positions_are_not_replaced_and_do_not_count():
    mask = np.array([[True] * 4, [True, True, False, False]])
    curve = deletion(make_sum(), VALUES, VALUES[..., 0], [0.5, 1], mask=mask)
    np.testing.assert_allclose(curve, np.array([[3, 0], [9, 9]]) / 4, rtol=1e-6)


def test_ids_images_layers_and_inputs_by_name():
    ids = keras.Input((None,), dtype="int32", name="ids")
    scale = keras.Input((1,), name="scale")
    embed = layers.Embedding(6, 1, mask_zero=True, name="words")
    x = layers.GlobalAveragePooling1D()(embed(ids))
    model = keras.Model([ids, scale], x * scale)
    embed.set_weights([np.arange(6.0)[:, None]])
    words, importance = np.array([[1, 5, 3]]), np.array([[0.1, 0.9, 0.5]])
    inputs = [words, np.ones((1, 1))]
    # The words that remain are averaged, because the embedding masks id 0.
    curve = deletion(model, inputs, importance, [0, 1 / 3, 2 / 3], of="ids")
    np.testing.assert_allclose(curve, [[3, 2, 1]], rtol=1e-6)
    # The mask is that of the ids: all three words count.
    curve = deletion(model, inputs, importance, [0, 1 / 3, 2 / 3], of="words")
    np.testing.assert_allclose(curve, [[3, 4 / 3, 1 / 3]], rtol=1e-6)
    image = keras.Sequential([keras.Input((2, 2, 1)), layers.GlobalAveragePooling2D()])
    pixels = np.array([[[1.0, 2.0], [3.0, 4.0]]])
    curve = deletion(image, pixels[..., None], pixels, [0, 0.5])
    np.testing.assert_allclose(curve, [[2.5, 0.75]], rtol=1e-6)


def test_predicted_class_is_that_of_the_unchanged_inputs():
    model = keras.Sequential(
        [keras.Input((2, 2)), layers.GlobalAveragePooling1D(), layers.Softmax()]
    )
    x = np.array([[[4.0, 0.0], [0.0, 1.0]]])
    curve = deletion(model, x, [[1.0, 0.0]], [0, 0.5])
    expected = [np.exp(2) / (np.exp(2) + np.exp(0.5)), 1 / (1 + np.exp(0.5))]
    np.testing.assert_allclose(curve[0], expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"importance": np.zeros((2, 3))}, r"`importance` to have.*\(2, 4, 1\).*\(2, 3\)"),
        ({"importance": np.zeros(2)}, "`importance` to have"),
        ({"fractions": [1.5]}, r"`fractions` .* in \[0, 1\]"),
        ({"fractions": []}, "`fractions`"),
        ({"mask": np.ones((2, 4))}, "`mask` of bools.*float64"),
        ({"of": "nothing"}, "`of`"),
    ],
)
def test_wrong_arguments_of_deletion_are_refused(options, message):
    options = {"importance": VALUES[..., 0], **options}
    with pytest.raises(ValueError, match=message):
        deletion(make_sum(), VALUES, **options)


def test_agreement_equals_scipy_with_ties_and_masks():
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(0)
    first, second = rng.integers(5, size=(2, 6, 12)).astype("float32")
    mask = rng.random((6, 12)) < 0.8
    actual = agreement(ops.convert_to_tensor(first), second, top=3, mask=mask)
    for n in range(6):
        a, b = first[n][mask[n]], second[n][mask[n]]
        assert actual.correlation[n] == pytest.approx(stats.spearmanr(a, b).statistic)
        tops = [set(sorted(range(len(x)), key=lambda i: (-x[i], i))[:3]) for x in (a, b)]
        assert actual.overlap[n] == pytest.approx(len(tops[0] & tops[1]) / 3)


def test_agreement_of_equal_opposite_and_constant_explanations():
    ranks = np.arange(4.0)[None]
    assert agreement(ranks, 10 * ranks**3).correlation == pytest.approx(1)
    assert agreement(ranks, -ranks, top=2) == (pytest.approx(-1), 0)
    assert np.isnan(agreement(ranks, np.ones((1, 4))).correlation[0])


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ((np.ones((1, 2)), np.ones((1, 3))), "same shape"),
        ((np.ones((1, 2)), np.ones((1, 2)), 2, np.ones((1, 2))), "bool `mask`.*float64"),
        ((np.ones((1, 2)), np.ones((1, 2)), 2, np.zeros((1, 2), bool)), "keep a position"),
        ((np.ones((1, 2)), np.ones((1, 2)), 0), "Expected `top`"),
    ],
)
def test_wrong_arguments_of_agreement_are_refused(arrays, message):
    with pytest.raises(ValueError, match=message):
        agreement(*arrays)
