import numpy as np
import pytest
from keras import ops

from keras_attention import LuongAttention
from tests import reference
from tests.finite_differences import GRAD_DTYPE, assert_gradients_match
from tests.reference_recurrent import attentional_vector

RNG = np.random.default_rng(0)
QUERY = RNG.normal(size=(2, 3, 5)).astype("float32")
VALUE = RNG.normal(size=(2, 7, 5)).astype("float32")
MASK = RNG.random((2, 3, 7)) < 0.6
MASK[0, 1] = False
SCORES = {
    "dot": ({}, reference.dot),
    "general": ({}, reference.general),
    "concat": ({}, reference.additive),
    "location": ({"max_length": 11}, reference.location),
    "scaled dot": ({"use_scale": True}, lambda q, k, scale: scale * reference.dot(q, k)),
    "scaled general": (
        {"use_scale": True},
        lambda q, k, kernel, scale: scale * reference.general(q, k, kernel),
    ),
}
every_score = pytest.mark.parametrize("name", SCORES)


def build(name, units=None, dtype="float32"):
    score = name.removeprefix("scaled ")
    layer = LuongAttention(score, units=units, dtype=dtype, **SCORES[name][0])
    layer([QUERY, VALUE])
    layer.set_weights([np.random.default_rng(1).normal(size=w.shape) for w in layer.weights])
    return layer


def formula(name, query, value, mask, score_weights, output_kernel=None):
    scores = SCORES[name][1](query, value, *score_weights)
    context, weights = reference.attention(scores, value, mask)
    if output_kernel is not None:
        pairs = zip(context, query, strict=True)
        context = np.array([attentional_vector(c, q, output_kernel) for c, q in pairs])
    return context, weights


def compute_expected(name, layer):
    weights = [ops.convert_to_numpy(w).astype("float64") for w in layer.weights]
    output_kernel = weights.pop(0) if layer.units else None
    return reference.for_each_sequence(
        lambda *x: formula(name, *x, weights, output_kernel), QUERY, VALUE, MASK
    )


@every_score
@pytest.mark.parametrize("units", [None, 2])
def test_output_equals_the_formula_of_the_paper(name, units):
    layer = build(name, units)
    results = layer([QUERY, VALUE], attention_mask=MASK, return_attention_scores=True)
    assert results[0].shape == (2, 3, units or 5)
    for result, correct in zip(results, compute_expected(name, layer), strict=True):
        np.testing.assert_allclose(ops.convert_to_numpy(result), correct, rtol=1e-5, atol=1e-5)


@every_score
def test_gradients_equal_finite_differences(name):
    layer, (query, value, mask) = (
        build(name, 2, GRAD_DTYPE),
        (x[:1] for x in (QUERY, VALUE, MASK)),
    )
    factors = np.random.default_rng(2).normal(size=(1, 3, 2)).astype(GRAD_DTYPE)

    def loss(query, value):
        return ops.sum(ops.multiply(layer([query, value], attention_mask=mask), factors))

    def compute_loss(query, value, *weights):
        h, _ = formula(name, query[0], value[0], mask[0], weights[1:], weights[0])
        return np.sum(h * factors[0])

    assert_gradients_match(loss, compute_loss, [query, value], layer.weights)


@pytest.mark.parametrize("name", ["general", "concat", "location"])
def test_query_and_value_can_differ_in_width(name):
    layer = LuongAttention(name, units=2, **SCORES[name][0])
    wide = np.ones((2, 7, 13), "float32")
    assert layer([QUERY, wide]).shape == (2, 3, 2)
    assert tuple(layer.weights[0].shape) == (13 + 5, 2)


def test_dot_score_refuses_different_widths():
    with pytest.raises(ValueError, match="same width for a dot product"):
        LuongAttention("dot")([QUERY, np.ones((2, 7, 13), "float32")])


def test_single_query_equals_a_sequence_of_one():
    layer = build("general", units=2)
    sequence = ops.convert_to_numpy(layer([QUERY, VALUE]))
    for t in range(3):
        single = ops.convert_to_numpy(layer([QUERY[:, t], VALUE]))
        np.testing.assert_allclose(single, sequence[:, t], atol=1e-5)


def test_fully_masked_query_gives_the_attentional_vector_of_a_zero_context():
    layer = build("general", units=2)
    outputs = layer([QUERY, VALUE], mask=[None, np.zeros((2, 7), bool)])
    kernel = layer.get_weights()[0]
    expected_outputs = np.tanh(np.concatenate([np.zeros((2, 3, 5)), QUERY], -1) @ kernel)
    np.testing.assert_allclose(ops.convert_to_numpy(outputs), expected_outputs, atol=1e-5)
    masked = layer([QUERY, VALUE], mask=[np.zeros((2, 3), bool), None])
    np.testing.assert_array_equal(ops.convert_to_numpy(masked), 0)


def test_location_score_ignores_keys_beyond_max_length():
    layer = LuongAttention("location", max_length=3)
    _, weights = layer([QUERY, VALUE], return_attention_scores=True)
    np.testing.assert_array_equal(ops.convert_to_numpy(weights)[..., 3:], 0)
    np.testing.assert_allclose(ops.convert_to_numpy(weights).sum(-1), 1, atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"score": "scaled_dot"}, "Received: score='scaled_dot'"),
        ({"score": "dot", "max_length": 7}, "Received: score='dot', max_length=7"),
        ({"score": "location"}, "Received: max_length=None"),
        ({"units": 0}, "Received: units=0"),
        ({"dropout": 1}, "Received: dropout=1"),
        ({"score": "concat", "use_scale": True}, "Received: score='concat', use_scale=True"),
    ],
)
def test_wrong_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        LuongAttention(**arguments)
