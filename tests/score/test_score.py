import keras
import numpy as np
import pytest
from keras import ops

import keras_attention
from keras_attention import score
from tests import reference
from tests.finite_differences import (
    GRAD_DTYPE,
    assert_gradients_match,
    only_with_float64,
)
from tests.score.score_rows import BATCH, KEYS, QUERIES, ROWS

every_score = pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())


@every_score
def test_score_equals_the_formula(row):
    layer, arrays = row.build(), row.arrays()
    result = ops.convert_to_numpy(layer(*arrays))
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, row.compute_expected(layer, *arrays), rtol=1e-5, atol=1e-5)


@only_with_float64
@every_score
def test_score_equals_the_formula_to_ten_digits_in_float64(row):
    layer, arrays = row.build("float64"), row.arrays("float64")
    result = ops.convert_to_numpy(layer(*arrays))
    assert result.dtype == np.float64
    np.testing.assert_allclose(result, row.compute_expected(layer, *arrays), rtol=1e-10, atol=1e-10)


@every_score
def test_projections_and_compare_equal_one_call(row):
    layer, (query, key) = row.build(), map(ops.convert_to_tensor, row.arrays())
    result = layer.compare(layer.project_query(query), layer.project_key(key))
    np.testing.assert_array_equal(*map(ops.convert_to_numpy, (result, layer(query, key))))


@every_score
def test_several_batch_axes_are_accepted(row):
    layer, (query, key) = row.build(), row.arrays()
    one_by_one = ops.convert_to_numpy(layer(query, key))
    result = ops.convert_to_numpy(layer(query[:, None], key[:, None]))
    assert result.shape == (BATCH, 1, QUERIES, KEYS)
    np.testing.assert_allclose(result[:, 0], one_by_one, atol=1e-6)


@every_score
def test_half_precision_inputs_give_float32_scores(row):
    layer, (query, key) = row.build("float16"), row.arrays("float16")
    result = layer(query, key)
    assert keras.backend.standardize_dtype(result.dtype) == "float32"
    expected = row.compute_expected(layer, query, key)
    np.testing.assert_allclose(ops.convert_to_numpy(result), expected, rtol=2e-3, atol=2e-3)


@every_score
def test_huge_inputs_give_no_nan(row):
    query, key = (np.sign(x) * np.float32(3e38) for x in row.arrays())
    assert not np.isnan(ops.convert_to_numpy(row.build()(query, key))).any()


@every_score
def test_gradients_equal_finite_differences(row):
    layer, (query, key) = row.build(GRAD_DTYPE), (x[:1, :2] for x in row.arrays())
    factors = np.random.default_rng(2).normal(size=(1, 2, 2)).astype(GRAD_DTYPE)

    def loss(query, key):
        return ops.sum(ops.multiply(layer(query, key), factors))

    def formula(query, key, *weights):
        scores = reference.for_each_sequence(lambda q, k: row.formula(q, k, *weights), query, key)
        return np.sum(scores * factors)

    grads = assert_gradients_match(loss, formula, [query, key], layer.weights)
    assert len(grads) == 2 + len(layer.weights)
    assert all(np.abs(g).max() > 0 for g in grads[2:])


@every_score
def test_config_recreates_the_score(row):
    layer = row.build()
    loaded = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert type(loaded) is type(layer)
    assert loaded.get_config() == layer.get_config()
    loaded(*row.arrays())
    loaded.set_weights(layer.get_weights())
    results = (ops.convert_to_numpy(s(*row.arrays())) for s in (layer, loaded))
    np.testing.assert_array_equal(*results)


@every_score
def test_symbolic_shape_equals_the_shape(row):
    query, key = row.arrays()
    widths = query.shape[-1], key.shape[-1]
    layer = row.make()
    symbolic = layer(*(keras.KerasTensor((None, None, width)) for width in widths))
    assert symbolic.shape == (None, None, None)
    assert layer(*map(keras.KerasTensor, (query.shape, key.shape))).shape == (BATCH, QUERIES, KEYS)


@pytest.mark.parametrize("name", sorted(set(ROWS) - {"location"}))
def test_permuting_the_keys_permutes_the_scores(name):
    row = ROWS[name]
    layer, (query, key) = row.build(), row.arrays()
    order = np.random.default_rng(3).permutation(KEYS)
    permuted = ops.convert_to_numpy(layer(query, key[:, order]))
    np.testing.assert_allclose(
        permuted, ops.convert_to_numpy(layer(query, key))[..., order], atol=1e-6
    )


def test_get_returns_the_score_of_a_name():
    names = {
        "dot": score.DotScore,
        "general": score.GeneralScore,
        "additive": score.AdditiveScore,
        "cosine": score.CosineScore,
    }
    for name, cls in names.items():
        assert type(score.get(name)) is cls
    assert score.get("scaled_dot").scaled
    assert not score.get("dot").scaled
    assert score.get("additive", dtype="float64").compute_dtype == "float64"


def test_get_accepts_objects_and_configs():
    layer = score.LocationScore(max_length=7)
    assert score.get(layer) is layer
    loaded = score.get(keras.saving.serialize_keras_object(layer))
    assert (type(loaded), loaded.max_length) == (score.LocationScore, 7)


@pytest.mark.parametrize("wrong", ["dots", "location", 3, None, keras.layers.Dense])
def test_get_refuses_anything_else(wrong):
    with pytest.raises(
        ValueError, match="Expected `score` to be one of .*Received: score="
    ) as error:
        score.get(wrong)
    assert repr(wrong) in str(error.value)


def test_score_without_compare_is_refused():
    with pytest.raises(NotImplementedError, match="Score has no `compare"):
        keras_attention.score.Score()(*ROWS["dot"].arrays())
