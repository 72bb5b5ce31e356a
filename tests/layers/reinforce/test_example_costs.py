import keras
import numpy as np
import pytest
from keras import ops

from keras_attention.layers.reinforce.example_costs import ExampleCosts

RNG = np.random.default_rng(0)
BATCH, STEPS, WORDS = 5, 3, 7
LOGITS = RNG.normal(size=(BATCH, STEPS, WORDS)).astype("float32")
IDS = RNG.integers(1, WORDS, (BATCH, STEPS))
POINTS, TARGETS = RNG.normal(size=(2, BATCH, 1)).astype("float32")
EXAMPLE_WEIGHTS, STEP_WEIGHTS = RNG.random(BATCH) + 0.5, RNG.random((BATCH, STEPS)) + 0.5
WordLoss = keras.losses.SparseCategoricalCrossentropy


def absolute(y, p):
    return ops.mean(ops.abs(y - p), axis=-1)


def product(y, p):
    return ops.mean(y * p, axis=-1)


def word_loss(**options):
    return WordLoss(from_logits=True, **options)


def compute_keras_loss(loss, y, y_pred, sample_weight, loss_weights):
    """Return the loss that a compiled Keras model reports."""
    names = iter(NAMES)
    inputs = keras.tree.map_structure(lambda x: keras.Input(x.shape[1:], name=next(names)), y_pred)
    outputs = keras.tree.map_structure(lambda x: keras.layers.Identity()(x), inputs)
    model = keras.Model(inputs, outputs)
    model.compile(loss=loss, loss_weights=loss_weights)
    return model.evaluate(y_pred, y, BATCH, 0, sample_weight, return_dict=True)["loss"]


NAMES = ["first", "second"]
TWO_OUTPUTS, TWO_TARGETS = [LOGITS, POINTS], [IDS, TARGETS]
CASES = {
    "function": ("mse", TARGETS, POINTS, None, None),
    "ranks_aligned": ("mse", TARGETS[:, 0], POINTS, EXAMPLE_WEIGHTS, None),
    "own_function": (absolute, TARGETS, POINTS, EXAMPLE_WEIGHTS, None),
    "steps": (word_loss(), IDS, LOGITS, None, None),
    "steps_weighted": (word_loss(), IDS, LOGITS, STEP_WEIGHTS, None),
    "examples_weighted": ("mse", TARGETS, POINTS, EXAMPLE_WEIGHTS, 3.0),
    "sum": (word_loss(reduction="sum"), IDS, LOGITS, STEP_WEIGHTS, None),
    "mean_of_weights": (
        word_loss(reduction="mean_with_sample_weight"),
        IDS,
        LOGITS,
        STEP_WEIGHTS,
        None,
    ),
    "ignored_class": (word_loss(ignore_class=2), IDS, LOGITS, None, None),
    "list": ([word_loss(), "mae"], TWO_TARGETS, TWO_OUTPUTS, None, [2.0, 0.5]),
    "list_by_name": ({"first": word_loss()}, TWO_TARGETS, TWO_OUTPUTS, None, None),
    "dict": (
        {"first": word_loss(), "second": "mae"},
        dict(zip(NAMES, TWO_TARGETS, strict=True)),
        dict(zip(NAMES, TWO_OUTPUTS, strict=True)),
        None,
        {"first": 2.0, "second": 0.5},
    ),
    "negative": (product, TARGETS, POINTS, EXAMPLE_WEIGHTS, 3.0),
    "one_for_all": ("mae", [TARGETS, POINTS], [POINTS, POINTS], None, None),
    "each_weighted": (
        [word_loss(), "mae"],
        TWO_TARGETS,
        TWO_OUTPUTS,
        [STEP_WEIGHTS, EXAMPLE_WEIGHTS],
        None,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_mean_cost_equals_the_loss_that_keras_reports(name):
    loss, y, y_pred, sample_weight, loss_weights = CASES[name]
    if name == "list_by_name":
        expected = compute_keras_loss([word_loss(), None], y, y_pred, sample_weight, loss_weights)
    else:
        expected = compute_keras_loss(loss, y, y_pred, sample_weight, loss_weights)
    costs = ExampleCosts(loss, loss_weights, y_pred, NAMES[: len(keras.tree.flatten(y_pred))])
    actual = ops.convert_to_numpy(costs(y, y_pred, sample_weight))
    assert actual.shape == (BATCH,)
    np.testing.assert_allclose(actual.mean(), expected, rtol=1e-5)


def test_cost_of_an_example_depends_on_its_own_steps_only():
    costs = ExampleCosts(word_loss(), None, LOGITS, ["output"])
    likelihoods = np.exp(LOGITS) / np.exp(LOGITS).sum(-1, keepdims=True)
    step_costs = -np.log(np.take_along_axis(likelihoods, IDS[..., None], -1)[..., 0])
    np.testing.assert_allclose(costs(IDS, LOGITS), step_costs.mean(-1), rtol=1e-5)
    mask = np.arange(STEPS) <= np.arange(BATCH)[:, None]
    masked = keras.layers.Masking()(ops.where(mask[..., None], LOGITS, 0))
    expected = BATCH * (step_costs * mask).sum(-1) / mask.sum()
    np.testing.assert_allclose(costs(IDS, masked), expected, rtol=1e-5)


@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "sum", "mean_with_sample_weight"])
def test_costs_that_sum_to_zero_are_right_for_each_example(reduction):
    signed = keras.losses.CosineSimilarity(reduction=reduction)
    targets = np.array([[1.0, 0.0], [-1.0, 0.0], [1.0, 0.0], [-1.0, 0.0]], "float32")
    points = np.array([[5.0, 0.0]] * 4, "float32")
    costs = ExampleCosts(signed, None, points, ["output"])
    scale = 4 if reduction == "sum" else 1
    np.testing.assert_allclose(costs(targets, points), scale * np.array([-1, 1, -1, 1]), rtol=1e-6)
    np.testing.assert_array_equal(costs(0 * targets, points), 0)


@pytest.mark.parametrize(
    ("loss", "weights", "outputs", "message"),
    [
        (None, None, LOGITS, "loss=None"),
        ([None, None], None, TWO_OUTPUTS, r"loss=\[None, None\]"),
        (["mse"], None, TWO_OUTPUTS, r"loss=\['mse'\]"),
        ({"third": "mse"}, None, TWO_OUTPUTS, "loss={'third': 'mse'}"),
        ("mse", [1.0], TWO_OUTPUTS, r"loss_weights=\[1.0\]"),
        (WordLoss(reduction=None), None, LOGITS, "reduction=None"),
        ("crossentropy", None, LOGITS, "loss='crossentropy'"),
        (["CE", None], None, TWO_OUTPUTS, "loss='CE'"),
    ],
)
def test_missing_or_mismatched_losses_are_refused(loss, weights, outputs, message):
    with pytest.raises(ValueError, match=f"Expected .* Received: .*{message}"):
        ExampleCosts(
            loss, weights, outputs, NAMES[: len(outputs)] if outputs is TWO_OUTPUTS else ["one"]
        )


def test_scalar_loss_of_the_batch_is_refused():
    costs = ExampleCosts(lambda y, p: ops.mean((y - p) ** 2), None, POINTS, ["output"])
    with pytest.raises(ValueError, match="Expected a loss that gives a number for each example"):
        costs(TARGETS, POINTS)
