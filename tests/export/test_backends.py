"""On torch and JAX, an export is refused with instructions for TensorFlow."""

import keras
import pytest

from keras_attention import export


@pytest.fixture(autouse=True)
def tensorflow_only():
    """Do not skip here: every backend must give the message."""


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_another_backend_is_refused_with_instructions(backend, tmp_path, monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: backend)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Rescaling(2.0)])
    with pytest.raises(RuntimeError, match="KERAS_BACKEND=tensorflow python -m keras_att"):
        export.saved_model(model, tmp_path / "m")
    assert not (tmp_path / "m").exists()
