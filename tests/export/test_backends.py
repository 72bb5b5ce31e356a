import os
import subprocess
import sys
from pathlib import Path

import keras
import pytest

import keras_attention
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


def test_importing_the_package_imports_no_tensorflow():
    # Under the tensorflow backend Keras itself imports it, so this asks under numpy's.
    program = "import sys, keras_attention.export; sys.exit('tensorflow' in sys.modules)"
    root = Path(keras_attention.__file__).parent.parent
    environment = {**os.environ, "KERAS_BACKEND": "numpy", "PYTHONPATH": str(root)}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)
