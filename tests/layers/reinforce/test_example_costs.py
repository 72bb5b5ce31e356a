import keras
import numpy as np
import pytest
from keras import ops

from keras_attention.layers.reinforce.example_costs import ExampleCosts

RNG = np.random.default_rng(0)
BATCH, STEPS, WORDS = 5, 3, 7
LOGITS = RNG.normal(size=(BATCH, STEPS, WORDS)).astype("float32")
IDS = RNG.integers(1, WORDS, (BATCH, STEPS))
POINTS, AIMS = RNG.normal(size=(2, BATCH, 1)).astype("float32")
OF_EXAMPLES, OF_STEPS = RNG.random(BATCH) + 0.5, RNG.random((BATCH, STEPS)) + 0.5
Words = keras.losses.SparseCategoricalCrossentropy


def absolute(y, p):
    return ops.mean(ops.abs(y - p), axis=-1)


def product(y, p):
    return ops.mean(y * p, axis=-1)


def words(**options):
    return Words(from_logits=True, **options)


def kerass_own(loss, y, y_pred, sample_weight, loss_weights):
    """The loss as a compiled model of Keras reports it."""
    names = iter(NAMES)
    inputs = keras.tree.map_structure(lambda x: keras.Input(x.shape[1:], name=next(names)), y_pred)
    outputs = keras.tree.map_structure(lambda x: keras.layers.Identity()(x), inputs)
    model = keras.Model(inputs, outputs)
    model.compile(loss=loss, loss_weights=loss_weights)
    return model.evaluate(y_pred, y, BATCH, 0, sample_weight, return_dict=True)["loss"]


NAMES = ["first", "second"]
BOTH, THEIRS = [LOGITS, POINTS], [IDS, AIMS]
CASES = {
    "function": ("mse", AIMS, POINTS, None, None),
    "ranks_aligned": ("mse", AIMS[:, 0], POINTS, OF_EXAMPLES, None),
    "own_function": (absolute, AIMS, POINTS, OF_EXAMPLES, None),
    "steps": (words(), IDS, LOGITS, None, None),
    "steps_weighted": (words(), IDS, LOGITS, OF_STEPS, None),
    "examples_weighted": ("mse", AIMS, POINTS, OF_EXAMPLES, 3.0),
    "sum": (words(reduction="sum"), IDS, LOGITS, OF_STEPS, None),
    "mean_of_weights": (words(reduction="mean_with_sample_weight"), IDS, LOGITS, OF_STEPS, None),
    "ignored_class": (words(ignore_class=2), IDS, LOGITS, None, None),
    "list": ([words(), "mae"], THEIRS, BOTH, None, [2.0, 0.5]),
    "list_by_name": ({"first": words()}, THEIRS, BOTH, None, None),
    "dict": (
        {"first": words(), "second": "mae"},
        dict(zip(NAMES, THEIRS, strict=True)),
        dict(zip(NAMES, BOTH, strict=True)),
        None,
        {"first": 2.0, "second": 0.5},
    ),
    "negative": (product, AIMS, POINTS, OF_EXAMPLES, 3.0),
    "one_for_all": ("mae", [AIMS, POINTS], [POINTS, POINTS], None, None),
    "each_weighted": ([words(), "mae"], THEIRS, BOTH, [OF_STEPS, OF_EXAMPLES], None),
}


@pytest.mark.parametrize("name", CASES)
def test_mean_cost_equals_the_loss_that_keras_reports(name):
    loss, y, y_pred, sample_weight, loss_weights = CASES[name]
    if name == "list_by_name":
        expected = kerass_own([words(), None], y, y_pred, sample_weight, loss_weights)
    else:
        expected = kerass_own(loss, y, y_pred, sample_weight, loss_weights)
    costs = ExampleCosts(loss, loss_weights, y_pred, NAMES[: len(keras.tree.flatten(y_pred))])
    actual = ops.convert_to_numpy(costs(y, y_pred, sample_weight))
    assert actual.shape == (BATCH,)
    np.testing.assert_allclose(actual.mean(), expected, rtol=1e-5)


def test_cost_of_an_example_depends_on_its_own_steps_only():
    costs = ExampleCosts(words(), None, LOGITS, ["output"])
    likelihoods = np.exp(LOGITS) / np.exp(LOGITS).sum(-1, keepdims=True)
    parts = -np.log(np.take_along_axis(likelihoods, IDS[..., None], -1)[..., 0])
    np.testing.assert_allclose(costs(IDS, LOGITS), parts.mean(-1), rtol=1e-5)
    mask = np.arange(STEPS) <= np.arange(BATCH)[:, None]
    masked = keras.layers.Masking()(ops.where(mask[..., None], LOGITS, 0))
    expected = BATCH * (parts * mask).sum(-1) / mask.sum()
    np.testing.assert_allclose(costs(IDS, masked), expected, rtol=1e-5)


@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "sum", "mean_with_sample_weight"])
def test_costs_that_sum_to_zero_are_right_for_each_example(reduction):
    signed = keras.losses.CosineSimilarity(reduction=reduction)
    aims = np.array([[1.0, 0.0], [-1.0, 0.0], [1.0, 0.0], [-1.0, 0.0]], "float32")
    points = np.array([[5.0, 0.0]] * 4, "float32")
    costs = ExampleCosts(signed, None, points, ["output"])
    scale = 4 if reduction == "sum" else 1
    np.testing.assert_allclose(costs(aims, points), scale * np.array([-1, 1, -1, 1]), rtol=1e-6)
    np.testing.assert_array_equal(costs(0 * aims, points), 0)


@pytest.mark.parametrize(
    ("loss", "weights", "outputs", "message"),
    [
        (None, None, LOGITS, "loss=None"),
        ([None, None], None, BOTH, r"loss=\[None, None\]"),
        (["mse"], None, BOTH, r"loss=\['mse'\]"),
        ({"third": "mse"}, None, BOTH, "loss={'third': 'mse'}"),
        ("mse", [1.0], BOTH, r"loss_weights=\[1.0\]"),
        (Words(reduction=None), None, LOGITS, "reduction=None"),
        ("crossentropy", None, LOGITS, "loss='crossentropy'"),
        (["CE", None], None, BOTH, "loss='CE'"),
    ],
)
def test_missing_or_mismatched_losses_are_refused(loss, weights, outputs, message):
    with pytest.raises(ValueError, match=f"Expected .* Received: .*{message}"):
        ExampleCosts(loss, weights, outputs, NAMES[: len(outputs)] if outputs is BOTH else ["one"])


def test_scalar_loss_of_the_batch_is_refused():
    costs = ExampleCosts(lambda y, p: ops.mean((y - p) ** 2), None, POINTS, ["output"])
    with pytest.raises(ValueError, match="Expected a loss that gives a number for each example"):
        costs(AIMS, POINTS)
