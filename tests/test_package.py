"""The package as a whole: public names, imports, and the direction of imports."""

import ast
import subprocess
import sys
from pathlib import Path

import keras
import pytest

import keras_attention

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "keras_attention").rglob("*.py"))


def test_import_loads_no_heavy_package():
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
    process = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True
    )
    assert process.returncode == 0, process.stderr


def test_all_public_names_exist():
    for name in keras_attention.__all__:
        assert getattr(keras_attention, name).__doc__


def _list_imported_modules(path):
    """Return the full names of all modules that a file imports, at the top or in functions."""
    names = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names.append(node.module)
    return names


every_source = pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))


@every_source
def test_imports_go_one_way(path):
    """Layers import kernels, decoding and memory, which import the four steps and the leaves.

    The steps import only the leaves, `kernels.matmul`, the backends' product in half precision, and
    `kernels.segments`, their sums over groups; `normalize` also imports `mask`. `testing` may
    import anything, and nothing imports it.
    """
    folder = path.relative_to(ROOT / "keras_attention").parts[0]
    steps = {"score", "mask", "normalize", "read"}
    leaves = {"arguments", "base_layer", "batch_axes", "initial_weights", "layer_arguments"}
    leaves |= {"hashing", "integers", "paths", "precision", "server_context", "tensors", "top_k"}
    leaves |= {"types"}
    allowed = {
        **{step: leaves | {step} for step in steps},
        "normalize": leaves | {"mask", "normalize"},
        "kernels": leaves | steps | {"kernels"},
        "memory": leaves | steps | {"memory"},
        "layers": leaves | steps | {"decoding", "kernels", "layers", "memory"},
        "decoding": leaves | {"decoding", "mask"},
        "export": leaves | {"explain", "export"},
        "explain": leaves | {"explain", "kernels", "layers"},
        "callbacks": leaves | {"callbacks", "explain", "layers", "visualize"},
        "visualize": leaves | {"read", "visualize"},
    }.get(folder)
    names = _list_imported_modules(path)
    assert not any(name.startswith("keras.src") for name in names)
    modules = {n for n in names if n.startswith("keras_attention.")}
    if folder in steps:
        modules -= {"keras_attention.kernels.matmul", "keras_attention.kernels.segments"}
    imported = {name.split(".")[1] for name in modules}
    if allowed is not None:
        assert imported <= allowed


@every_source
def test_layer_families_import_only_the_families_they_compose(path):
    """A folder of `layers/` imports what all share, and the families that its layers contain."""
    folder, *inner = path.relative_to(ROOT / "keras_attention").parts
    if folder != "layers" or inner == ["__init__.py"]:
        return
    composed = {
        "query_value": {"reinforce"},
        "multi_head": {"query_value"},
        "memory_network": {"query_value"},
        "recurrent": {"query_value"},
        "recurrent_glimpses.py": {"recurrent", "reinforce"},
        "pointer": {"query_value", "recurrent"},
        "neural_turing_machine": {"recurrent"},
        "transformer": {"multi_head", "query_value"},
    }.get(inner[0], set())
    names = _list_imported_modules(path)
    families = {n.split(".")[2] for n in names if n.startswith("keras_attention.layers.")}
    assert families <= {inner[0], "call_arguments", "dropout", "positions"} | composed
