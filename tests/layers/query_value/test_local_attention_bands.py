"""Local-m computed in bands equals local-m with explicit positions, computed query by query."""

import numpy as np
import pytest
from keras import ops

from keras_attention.kernels.local.bands import rows_per_band
from tests.gradients import gradients
from tests.layers.query_value.local_bands import (
    KINDS,
    build_layer,
    count_positions,
    evaluate_calls,
    make_masks,
    numpy,
    sample_inputs,
)

# (queries, keys, window) for several blocks with and without a partial one, a single block, a wide
# window and a single query.
SIZES = [(70, 83, 2), (64, 40, 9), (100, 100, 40), (7, 90, 3), (6, 5, 50), (1, 9, 2)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("score", ["dot", "general", "concat"])
@pytest.mark.parametrize("sizes", SIZES)
def test_bands_equal_single_queries(kind, score, sizes):
    *lengths, window = sizes
    layer, data = build_layer(score, window), sample_inputs(*lengths)
    options, (query_mask, _) = make_masks(kind, *lengths)
    with_scores = {"return_attention_scores": True, **options}
    with_positions = {"positions": count_positions(query_mask), **with_scores}
    expected, results, output = evaluate_calls(layer, data, with_positions, with_scores, options)
    for result, correct in zip(results, expected, strict=True):
        np.testing.assert_allclose(result, correct, atol=1e-5)
    np.testing.assert_array_equal(output, results[0])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("score", ["dot", "concat"])
def test_gradients_of_bands_equal_those_of_single_queries(kind, score):
    lengths, layer = (70, 83), build_layer(score, 4)
    data, (options, (query_mask, _)) = sample_inputs(*lengths), make_masks(kind, *lengths)

    def compute_gradients(**extra):
        def loss(query, value):
            return ops.sum(layer([query, value], **options, **extra) ** 2)

        return gradients(loss, data, layer.trainable_variables)

    for result, correct in zip(
        compute_gradients(), compute_gradients(positions=count_positions(query_mask)), strict=True
    ):
        np.testing.assert_allclose(result, correct, atol=1e-4)


@pytest.mark.parametrize("kind", ["right", "left right", "holes", "empty row", "left causal holes"])
@pytest.mark.parametrize("poison", [np.nan, np.inf])
def test_nan_at_masked_positions_changes_nothing(kind, poison):
    lengths, layer = (70, 70), build_layer("general", 4)
    clean, (options, masks) = sample_inputs(*lengths), make_masks(kind, *lengths)
    poisoned = [
        np.where(mask[..., None], x, np.float32(poison))
        for x, mask in zip(clean, masks, strict=True)
    ]

    def run_all(data):
        def loss(query, value):
            output, weights = layer([query, value], return_attention_scores=True, **options)
            return ops.sum(output**2) + ops.sum(weights**2)

        output = numpy(layer(data, **options))
        assert (output[~masks[0]] == 0).all()
        return [output, *gradients(loss, data, layer.trainable_variables)]

    for result, correct in zip(run_all(poisoned), run_all(clean), strict=True):
        np.testing.assert_array_equal(result, correct)


def test_sizes_give_several_blocks():
    assert [-(-n // rows_per_band(n, w)) for n, _, w in SIZES] == [3, 2, 3, 1, 1, 1]


@pytest.mark.parametrize("kind", KINDS)
def test_bands_of_documents_equal_those_of_sentences(kind):
    lengths, layer = (70, 83), build_layer("general", 4)
    data, (options, _) = sample_inputs(*lengths), make_masks(kind, *lengths)

    def stack_with_reversed(x):
        return x if x is None or isinstance(x, bool) else np.stack([x, x[::-1]])

    expected = layer(data, return_attention_scores=True, **options)
    arguments = {
        name: [stack_with_reversed(x) for x in item]
        if name == "mask"
        else stack_with_reversed(item)
        for name, item in options.items()
    }
    results = layer(
        [stack_with_reversed(x) for x in data], return_attention_scores=True, **arguments
    )
    for result, correct in zip(results, expected, strict=True):
        np.testing.assert_allclose(numpy(result), stack_with_reversed(numpy(correct)), atol=1e-5)
