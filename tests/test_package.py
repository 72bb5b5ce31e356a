"""What the package is as a whole."""

import ast
import subprocess
import sys
from pathlib import Path

import keras
import pytest

import keras_attention

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "keras_attention").rglob("*.py"))


def test_importing_it_loads_nothing_heavy_of_its_own():
    backend = keras.backend.backend()
    script = f"""
import os, sys
os.environ["KERAS_BACKEND"] = {backend!r}
import keras
before = set(sys.modules)
import keras_attention
new = {{name.split(".")[0] for name in set(sys.modules) - before}}
heavy = {{"tensorflow", "jax", "torch", "tensorflow_probability", "tf_keras", "matplotlib"}}
assert not new & heavy, new & heavy
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_all_public_names_exist():
    for name in keras_attention.__all__:
        assert getattr(keras_attention, name).__doc__


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_run_one_way(path):
    """layers -> decoding, kernels, memory -> the four steps, which import only the leaves.

    `testing` may import anything; nothing imports it.
    """
    folder = path.relative_to(ROOT / "keras_attention").parts[0]
    steps = {"score", "mask", "normalize", "read"}
    leaves = {"arguments", "base_layer", "initial_weights", "precision", "types"}
    allowed = {
        **{step: leaves | {step} for step in steps},
        "kernels": leaves | steps | {"kernels"},
        "memory": leaves | steps | {"memory"},
        "layers": leaves | steps | {"decoding", "kernels", "layers", "memory"},
        "decoding": leaves | {"decoding"},
        "export": leaves | {"export"},
        "visualize": leaves | {"visualize"},
    }.get(folder)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module]
        assert not any(name.startswith("keras.src") for name in names)
        ours = [n.split(".")[1] for n in names if n.startswith("keras_attention.")]
        if allowed is not None:
            assert set(ours) <= allowed
