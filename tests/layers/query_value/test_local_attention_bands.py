"""Local-m in bands equals local-m with explicit positions, query by query."""

import numpy as np
import pytest
from keras import ops

from keras_attention.kernels.local.bands import rows_per_band
from tests.gradients import gradients
from tests.layers.query_value.local_bands import (
    KINDS,
    count_positions,
    evaluate,
    inputs,
    layers,
    masks,
    numpy,
)

# Queries, keys, window: several blocks, with and without a partial one; one block; a wide window;
# one query.
SIZES = [(70, 83, 2), (64, 40, 9), (100, 100, 40), (7, 90, 3), (6, 5, 50), (1, 9, 2)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("score", ["dot", "general", "concat"])
@pytest.mark.parametrize("sizes", SIZES)
def test_bands_equal_single_queries(kind, score, sizes):
    *lengths, window = sizes
    layer, data = layers(score, window), inputs(*lengths)
    options, (real, _) = masks(kind, *lengths)
    with_scores = {"return_attention_scores": True, **options}
    alone = {"positions": count_positions(real), **with_scores}
    correct, results, output = evaluate(layer, data, alone, with_scores, options)
    for result, array in zip(results, correct, strict=True):
        np.testing.assert_allclose(result, array, atol=1e-5)
    np.testing.assert_array_equal(output, results[0])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("score", ["dot", "concat"])
def test_gradients_of_bands_equal_those_of_single_queries(kind, score):
    lengths, layer = (70, 83), layers(score, 4)
    data, (options, (real, _)) = inputs(*lengths), masks(kind, *lengths)

    def of(**more):
        def loss(query, value):
            return ops.sum(layer([query, value], **options, **more) ** 2)

        return gradients(loss, data, layer.trainable_variables)

    for result, correct in zip(of(), of(positions=count_positions(real)), strict=True):
        np.testing.assert_allclose(result, correct, atol=1e-4)


@pytest.mark.parametrize("kind", ["right", "left right", "holes", "nothing", "left causal holes"])
@pytest.mark.parametrize("poison", [np.nan, np.inf])
def test_nan_at_masked_positions_changes_nothing(kind, poison):
    lengths, layer = (70, 70), layers("general", 4)
    clean, (options, real) = inputs(*lengths), masks(kind, *lengths)
    poisoned = [
        np.where(mask[..., None], x, np.float32(poison))
        for x, mask in zip(clean, real, strict=True)
    ]

    def run_all(data):
        def loss(query, value):
            output, weights = layer([query, value], return_attention_scores=True, **options)
            return ops.sum(output**2) + ops.sum(weights**2)

        output = numpy(layer(data, **options))
        assert (output[~real[0]] == 0).all()
        return [output, *gradients(loss, data, layer.trainable_variables)]

    for result, correct in zip(run_all(poisoned), run_all(clean), strict=True):
        np.testing.assert_array_equal(result, correct)


def test_sizes_give_several_blocks():
    assert [-(-n // rows_per_band(n, w)) for n, _, w in SIZES] == [3, 2, 3, 1, 1, 1]


@pytest.mark.parametrize("kind", KINDS)
def test_bands_of_documents_equal_those_of_sentences(kind):
    lengths, layer = (70, 83), layers("general", 4)
    data, (options, _) = inputs(*lengths), masks(kind, *lengths)

    def stack_with_reversed(x):
        return x if x is None or isinstance(x, bool) else np.stack([x, x[::-1]])

    alone = layer(data, return_attention_scores=True, **options)
    arguments = {
        name: [stack_with_reversed(x) for x in item]
        if name == "mask"
        else stack_with_reversed(item)
        for name, item in options.items()
    }
    results = layer(
        [stack_with_reversed(x) for x in data], return_attention_scores=True, **arguments
    )
    for result, correct in zip(results, alone, strict=True):
        np.testing.assert_allclose(numpy(result), stack_with_reversed(numpy(correct)), atol=1e-5)
