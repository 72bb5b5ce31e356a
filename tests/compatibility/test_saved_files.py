"""Models saved by earlier versions load on each backend and give the same outputs."""

from pathlib import Path

import keras
import numpy as np
import pytest

import keras_attention
from tests.layers.contract.rows import ROWS

FOLDER = Path(__file__).parent
FILES = sorted(FOLDER.glob("*/*.keras"))
WEIGHTS = sorted(FOLDER.glob("*/*.weights.h5"))
VERSIONS = sorted({path.parent for path in FILES})


def assert_same_outputs(model, path):
    with np.load(path.parent / "inputs.npz") as file:
        outputs = model(dict(file))
    with np.load(path.parent / "outputs.npz") as file:
        for name, output in outputs.items():
            np.testing.assert_allclose(
                keras.ops.convert_to_numpy(output), file[f"{path.stem}/{name}"], 1e-5, 1e-5
            )


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_model_of_earlier_version_loads(path):
    assert_same_outputs(keras.saving.load_model(path), path)


@pytest.mark.parametrize("path", WEIGHTS, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_weights_of_earlier_version_load(path):
    path = path.with_name(path.name.replace(".weights.h5", ".keras"))
    model = keras.saving.load_model(path)
    model.set_weights([np.zeros(w.shape) for w in model.get_weights()])
    model.load_weights(path.with_suffix(".weights.h5"))
    assert_same_outputs(model, path)


def test_there_are_files_of_the_first_version():
    assert FOLDER / "0.1.0" in VERSIONS


@pytest.mark.parametrize("folder", VERSIONS, ids=lambda folder: folder.name)
def test_current_version_has_files_of_every_layer(folder):
    if folder.name != keras_attention.__version__:
        pytest.skip("an earlier version had fewer layers")
    names = {name for name, case in ROWS.items() if case.all_arguments}
    expected = names | {f"{name}_all_arguments" for name in names}
    assert {path.stem for path in FILES if path.parent == folder} == expected
    assert {path.name for path in WEIGHTS if path.parent == folder} == {
        f"{name}.weights.h5" for name in names
    }


def test_files_are_small():
    assert max(path.stat().st_size for path in FOLDER.glob("*/*")) < 70_000
