"""Operations that XLA compiles: refused by their name, or exported for a server with XLA."""

import json
import shlex

import keras
import numpy as np
import pytest

from keras_attention import export
from keras_attention.export.__main__ import main
from keras_attention.export.checks.graph import find_graph_problems, load_meta_graph

SPEC = export.Spec("x", (None, 4), "float32")


@pytest.fixture(scope="module", autouse=True)
def use_shared_loader():
    """Start a process for each call, because XLA cannot be enabled again."""


def update(x):
    return keras.ops.slice_update(x, (keras.ops.shape(x)[0] - 1, 1), keras.ops.ones((1, 2)))


def compiled(x):
    import tensorflow as tf

    return tf.function(lambda x: x + 1, jit_compile=True)(x)


@pytest.mark.parametrize("function", [update, compiled])
def test_xla_is_refused_with_the_servers_flag(function, tmp_path):
    name = "XlaDynamicUpdateSlice" if function is update else "PartitionedCall"
    expected = f"no operation of XLA.*--xla_cpu_compilation_enabled.*xla=True.*{name}"
    with pytest.raises(ValueError, match=expected):
        export.saved_model(None, tmp_path / "m", {"serving_default": (function, [SPEC])})
    assert not list(tmp_path.iterdir())


def test_an_export_for_a_server_with_xla_is_checked_and_its_flag_written(tmp_path):
    signatures = {"serving_default": (update, [SPEC]), "compiled": (compiled, [SPEC])}
    path = export.saved_model(None, tmp_path / "m", signatures, xla=True)
    docker = [line for line in export.how_to_serve(path).splitlines() if line.startswith("docker")]
    assert shlex.split(docker[0])[-1] == "--xla_cpu_compilation_enabled"
    meta = load_meta_graph(path)
    assert not list(find_graph_problems(meta, xla=True))
    (problem,) = find_graph_problems(meta)
    assert "--xla_cpu_compilation_enabled" in problem
    lines, problems = export.check(path, xla=True)
    assert problems == [] and lines[-1].startswith("loaded")
    assert main(["check", str(path), "--xla"]) == 0
    assert main(["check", str(path)]) == 1
    assert json.loads((path / "assets.extra/export.json").read_text())["xla"] is True
    inputs = {"x": np.zeros((2, 4), "float32")}
    answer = export.run_in_c_loader(path, "serving_default", inputs, disable_xla=False)
    assert answer["output"].tolist() == [[0, 0, 0, 0], [0, 1, 1, 0]]


def test_python_is_refused_with_xla_too(tmp_path):
    import tensorflow as tf

    def call(x):
        return tf.numpy_function(lambda x: x, [x], tf.float32)

    with pytest.raises(ValueError, match="no tf.py_function"):
        export.saved_model(None, tmp_path / "m", {"serving_default": (call, [SPEC])}, xla=True)
