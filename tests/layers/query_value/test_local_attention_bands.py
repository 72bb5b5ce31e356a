"""Local-m reads in bands what it reads query by query where the same positions are given."""

import numpy as np
import pytest
from keras import ops

from keras_attention.kernels.local.bands import rows_per_band
from tests.gradients import gradients
from tests.layers.query_value.local_bands import KINDS, counted, inputs, layers, masks, numpy

# Queries, keys, window: several blocks, with and without a rest; one block; a wide window; one.
SIZES = [(70, 83, 2), (64, 40, 9), (100, 100, 40), (7, 90, 3), (6, 5, 50), (1, 9, 2)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("score", ["dot", "general", "concat"])
@pytest.mark.parametrize("sizes", SIZES)
def test_bands_are_what_each_query_reads_alone(kind, score, sizes):
    *lengths, window = sizes
    layer, data = layers(score, window), inputs(*lengths)
    options, (real, _) = masks(kind, *lengths)
    alone = layer(data, positions=counted(real), return_attention_scores=True, **options)
    found = layer(data, return_attention_scores=True, **options)
    for got, want in zip(found, alone, strict=True):
        np.testing.assert_allclose(numpy(got), numpy(want), atol=1e-5)
    np.testing.assert_array_equal(numpy(layer(data, **options)), numpy(found[0]))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("score", ["dot", "concat"])
def test_so_are_their_gradients(kind, score):
    lengths, layer = (70, 83), layers(score, 4)
    data, (options, (real, _)) = inputs(*lengths), masks(kind, *lengths)

    def of(**more):
        def loss(query, value):
            return ops.sum(layer([query, value], **options, **more) ** 2)

        return gradients(loss, data, layer.trainable_variables)

    for got, want in zip(of(), of(positions=counted(real)), strict=True):
        np.testing.assert_allclose(got, want, atol=1e-4)


@pytest.mark.parametrize("kind", ["right", "left right", "holes", "nothing", "left causal holes"])
@pytest.mark.parametrize("poison", [np.nan, np.inf])
def test_what_is_masked_cannot_matter(kind, poison):
    lengths, layer = (70, 70), layers("general", 4)
    clean, (options, real) = inputs(*lengths), masks(kind, *lengths)
    poisoned = [
        np.where(mask[..., None], x, np.float32(poison))
        for x, mask in zip(clean, real, strict=True)
    ]

    def everything(data):
        def loss(query, value):
            output, weights = layer([query, value], return_attention_scores=True, **options)
            return ops.sum(output**2) + ops.sum(weights**2)

        output = numpy(layer(data, **options))
        assert (output[~real[0]] == 0).all()
        return [output, *gradients(loss, data, layer.trainable_variables)]

    for got, want in zip(everything(poisoned), everything(clean), strict=True):
        np.testing.assert_array_equal(got, want)


def test_the_sizes_above_make_several_blocks():
    assert [-(-n // rows_per_band(n, w)) for n, _, w in SIZES] == [3, 2, 3, 1, 1, 1]


@pytest.mark.parametrize("kind", KINDS)
def test_a_document_of_sentences_is_read_in_bands_of_each(kind):
    lengths, layer = (70, 83), layers("general", 4)
    data, (options, _) = inputs(*lengths), masks(kind, *lengths)

    def stacked(x):
        return x if x is None or isinstance(x, bool) else np.stack([x, x[::-1]])

    alone = layer(data, return_attention_scores=True, **options)
    given = {
        name: [stacked(x) for x in each] if name == "mask" else stacked(each)
        for name, each in options.items()
    }
    found = layer([stacked(x) for x in data], return_attention_scores=True, **given)
    for got, want in zip(found, alone, strict=True):
        np.testing.assert_allclose(numpy(got), stacked(numpy(want)), atol=1e-5)
