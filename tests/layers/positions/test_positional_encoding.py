import keras
import numpy as np
import pytest
from keras import ops

from keras_attention import PositionalEncoding
from tests.reference_multi_head import positional_encoding

X = np.random.default_rng(0).normal(size=(2, 7, 6)).astype("float32")


def numpy(x):
    return ops.convert_to_numpy(x)


@pytest.mark.parametrize("width", [6, 5, 1])
@pytest.mark.parametrize("base", [10000.0, 20])
def test_adds_the_papers_sinusoids(width, base):
    actual = numpy(PositionalEncoding(base=base)(X[..., :width]))
    expected = X[..., :width] + positional_encoding(range(7), width, base)
    np.testing.assert_allclose(actual, expected, atol=1e-6)


def test_scale_multiplies_inputs_by_the_root_of_the_width():
    actual = numpy(PositionalEncoding(scale=True)(X))
    np.testing.assert_allclose(actual, X * 6**0.5 + positional_encoding(range(7), 6), atol=1e-6)


@pytest.mark.parametrize("start", [3, np.array(3), np.array([3, 3])])
def test_start_continues_a_sequence(start):
    layer = PositionalEncoding()
    one_call, rest = numpy(layer(X)), numpy(layer(X[:, 3:], start=start))
    np.testing.assert_allclose(rest, one_call[:, 3:], atol=1e-6)


def test_rows_may_start_at_different_positions():
    actual = numpy(PositionalEncoding()(X, start=ops.convert_to_tensor([0, 11])))
    for row, first in enumerate([0, 11]):
        expected = X[row] + positional_encoding(range(first, first + 7), 6)
        np.testing.assert_allclose(actual[row], expected, atol=1e-6)


@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "float16"])
def test_late_positions_are_accurate_in_half_precision(dtype):
    zeros = np.zeros((1, 1001, 6), "float32")
    actual = numpy(ops.cast(PositionalEncoding(dtype=dtype)(zeros), "float32"))[0]
    np.testing.assert_allclose(actual, positional_encoding(range(1001), 6), atol=8e-3)


def test_dot_products_depend_on_the_distance_only():
    encoding = numpy(PositionalEncoding()(np.zeros((1, 50, 8), "float32")))[0]
    products = encoding @ encoding.T
    for distance in (1, 7, 20):
        diagonal = np.diagonal(products, distance)
        np.testing.assert_allclose(diagonal, diagonal[0], atol=1e-4)


def test_model_accepts_any_length_and_propagates_the_mask():
    tokens = keras.Input((None,), dtype="int32")
    embedded = keras.layers.Embedding(11, 6, mask_zero=True)(tokens)
    encoded = PositionalEncoding()(embedded)
    pooled = keras.layers.GlobalAveragePooling1D()(encoded)
    model = keras.Model(tokens, [encoded, pooled])
    for ids in ([[3, 4, 0, 0]], [[3, 4, 0, 0, 0, 0, 0]]):
        encoded, pooled = map(numpy, model(np.array(ids)))
        np.testing.assert_allclose(pooled[0], encoded[0, :2].mean(0), atol=1e-6)


def test_invalid_shapes_are_refused():
    with pytest.raises(ValueError, match=r"`inputs` .batch, T, width. .* Received: inputs .2, 7."):
        PositionalEncoding()(X[..., 0])
    with pytest.raises(ValueError, match=r"Expected `start` to be integers .* of shape .2, 7."):
        PositionalEncoding()(X, start=np.zeros((2, 7), "int32"))
