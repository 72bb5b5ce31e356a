"""Layers that keep a state between requests are exported with a warning."""

import keras
import numpy as np
import pytest

from keras_attention import export


def test_a_stateful_layer_is_exported_with_a_warning(tmp_path):
    inputs = keras.Input(batch_shape=(1, 2, 3), name="x")
    model = keras.Model(inputs, keras.layers.SimpleRNN(2, stateful=True, name="memory")(inputs))
    with pytest.warns(UserWarning, match=r"stateful=True in the layers \['memory'\]") as warnings:
        export.saved_model(model, tmp_path / "m", example={"x": np.zeros((1, 2, 3), "float32")})
    assert warnings[0].filename == __file__
    assert (tmp_path / "m" / "1").exists()
