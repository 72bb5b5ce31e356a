"""The Jacobian of a network that copies its input with a lag is a ridge at this lag."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from keras_attention.explain import jacobian


def make_delay(lag, width=2):
    """Return a recurrent network that returns its input of `lag` steps before, (batch, T, width).

    Its state is the sequence of the last `lag` + 1 inputs.
    """
    units = (lag + 1) * width
    inputs = keras.Input((None, width))
    states = layers.SimpleRNN(
        units, activation="linear", use_bias=False, return_sequences=True, name="delay"
    )(inputs)
    last = layers.Dense(width, use_bias=False)(states)
    model = keras.Model(inputs, last)
    enter, shift, leave = (
        np.eye(width, units),
        np.eye(units, k=width),
        np.eye(units, width, -lag * width),
    )
    model.set_weights([enter, shift, leave])
    return model


@pytest.mark.parametrize("options", [{}, {"target": 1}, {"projections": 3, "seed": 0}])
def test_copy_with_a_lag_has_a_ridge_at_this_lag(options):
    lag, steps = 2, 6
    x = np.random.default_rng(0).standard_normal((3, steps, 2)).astype("float32")
    model = make_delay(lag)
    np.testing.assert_allclose(
        ops.convert_to_numpy(model(x))[:, lag:], x[:, :-lag], rtol=1e-5, atol=1e-6
    )
    actual = jacobian(model, x, batch_size=2, **options)
    # The norm of a block of the Jacobian, an identity matrix, is the root of its width.
    scale = np.sqrt(2) if "projections" in options else 1
    expected = np.broadcast_to(scale * np.eye(steps, k=-lag), (3, steps, steps))
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-6)


def test_rows_equal_finite_differences_at_an_embedding():
    ids = keras.Input((None,), dtype="int32")
    embed = layers.Embedding(9, 3, "normal", mask_zero=True, name="words")
    x = layers.GRU(4, return_sequences=True)(embed(ids))
    logits = layers.Dense(2)(x)
    model = keras.Model(ids, layers.Activation("softmax")(logits))
    words = np.array([[3, 4, 5, 0]])
    predicted = ops.convert_to_numpy(model(words)).argmax(axis=-1)[0]
    actual = jacobian(model, words, of="words", reduce=None)
    assert actual.shape == (1, 4, 4, 3)
    assert not actual[:, :, 3].any()
    table = ops.convert_to_numpy(embed.weights[0]).copy()
    plain = keras.Model(ids, logits)
    for step, feature in ((0, 1), (2, 2)):
        shift = np.zeros_like(table)
        shift[words[0, step], feature] = 1e-2
        values = []
        for sign in (1, -1):
            embed.set_weights([table + sign * shift])
            values.append(ops.convert_to_numpy(plain(words))[0, np.arange(4), predicted])
        difference = (values[0] - values[1]) / 2e-2
        np.testing.assert_allclose(actual[0, :, step, feature], difference, rtol=1e-2, atol=1e-4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"projections": 2, "target": 0}, "`projections` without `target`"),
        ({"projections": 2, "reduce": "sum"}, "reduce='norm'"),
        ({"projections": 0}, "Expected `projections` to be an integer"),
        ({"target": lambda outputs: outputs}, r"return \(batch, steps\).*\(1, 3, 2\)"),
        ({"target": np.zeros((1, 4), int)}, r"integer for each.*\(1, 3, 2\).*\(1, 4\)"),
    ],
)
def test_wrong_arguments_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        jacobian(make_delay(1), np.zeros((1, 3, 2)), **options)


def test_model_without_steps_is_refused():
    model = keras.Sequential([keras.Input((2, 2)), layers.Reshape((2, 2, 1))])
    with pytest.raises(ValueError, match=r"\(batch, steps, features\).*\(1, 2, 2, 1\)"):
        jacobian(model, np.zeros((1, 2, 2)), projections=1)
