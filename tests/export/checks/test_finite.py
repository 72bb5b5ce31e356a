"""A model whose outputs are never numbers is refused; NaN in single answers is not."""

import keras
import numpy as np
import pytest

from keras_attention import export

layers = keras.layers


def make_model(value):
    x = keras.Input((2,), name="x")
    hidden = layers.Dense(3, name="hidden")(x)
    model = keras.Model(x, {"class": keras.ops.argmax(hidden), "logits": layers.Dense(2)(hidden)})
    kernel = model.get_layer("hidden").kernel
    values = kernel.numpy()
    values[0, 0] = value
    kernel.assign(values)
    return model


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_weight_that_is_not_finite_is_refused_and_named(tmp_path, value):
    expected = "numbers in output 'logits' of signature 'serving_default'.*hidden/kernel"
    with pytest.raises(ValueError, match=expected):
        export.saved_model(make_model(value), tmp_path / "m")
    assert not list(tmp_path.iterdir())


def test_nan_in_a_weight_is_refused_if_all_outputs_are_integers(tmp_path):
    x = keras.Input((2,), name="x")
    dense = layers.Dense(3, name="hidden")
    model = keras.Model(x, dense(x))
    dense.bias.assign([0.0, np.nan, 0.0])
    signatures = {
        # Without resources: the weights are found by the function that reads them.
        "serving_default": (lambda x: {"label": keras.ops.argmax(model(x), -1)}, model.inputs)
    }
    with pytest.raises(ValueError, match="weights without NaN.*'hidden/bias'.*checkpoint"):
        export.saved_model(None, tmp_path / "m", signatures)
    dense.bias.assign([0.0, -np.inf, 0.0])  # A class that is never chosen.
    assert export.saved_model(None, tmp_path / "m", signatures).name == "1"


def serve_logarithm(x):
    return {"log": keras.ops.log(x), "sign": keras.ops.sign(x)}


@pytest.mark.parametrize("column", [-1.0, -np.inf])
def test_nan_without_such_a_weight_and_examples_that_give_numbers(tmp_path, column):
    spec = export.Spec("x", (None, 2), "float32", finite=False)
    signatures = {"serving_default": (serve_logarithm, [spec])}
    examples = [{"x": [[column, 1.0]]}, {"x": [[-2.0, 1.0]]}]
    with pytest.raises(ValueError, match="'log'.*NaN for each of [12] .*infinity: none.*`example`"):
        export.saved_model(None, tmp_path / "m", signatures, examples)
    examples.append({"x": [[1.0, 1.0]]})
    assert export.saved_model(None, tmp_path / "m", signatures, examples).name == "1"


def test_infinite_log_probabilities_and_integers_are_accepted(tmp_path):
    spec = export.Spec("x", (None, 2), "float32")
    function = lambda x: {"log": keras.ops.log(0 * x), "count": keras.ops.size(x)}  # noqa: E731
    path = export.saved_model(None, tmp_path / "m", {"serving_default": (function, [spec])})
    assert path.name == "1"
