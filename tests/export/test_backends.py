import keras
import pytest

from keras_attention import export


@pytest.fixture(autouse=True)
def tensorflow_only():
    """Not here: on each backend something must happen."""


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_another_backend_says_how_to_export_all_the_same(backend, tmp_path, monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: backend)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Rescaling(2.0)])
    with pytest.raises(RuntimeError, match="KERAS_BACKEND=tensorflow python -m keras_att"):
        export.saved_model(model, tmp_path / "m")
    assert not (tmp_path / "m").exists()
