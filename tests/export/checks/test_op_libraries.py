"""Operations of TF Text and TF-DF: a small library stands in for theirs."""

import shutil
import subprocess

import numpy as np
import pytest

from keras_attention import export
from keras_attention.export.checks import server_operations
from keras_attention.export.checks.graph import find_graph_problems, load_meta_graph

SOURCE = r"""
#include "tensorflow/c/kernels.h"
#include "tensorflow/c/ops.h"
#include "tensorflow/c/tf_tensor.h"

static void infer(TF_ShapeInferenceContext* context, TF_Status* status) {
  TF_ShapeInferenceContextSetUnknownShape(context, status);
}
static void* create(TF_OpKernelConstruction* construction) { return 0; }
static void compute(void* kernel, TF_OpKernelContext* context) {
  TF_Status* status = TF_NewStatus();
  TF_Tensor* x;
  TF_GetInput(context, 0, &x, status);
  int64_t size = TF_TensorByteSize(x) / sizeof(float);
  TF_Tensor* y = TF_AllocateOutput(context, 0, TF_FLOAT, &size, 1, TF_TensorByteSize(x), status);
  for (int64_t i = 0; i < size; ++i)
    ((float*)TF_TensorData(y))[i] = 2 * ((float*)TF_TensorData(x))[i];
  TF_DeleteTensor(x);
  TF_DeleteTensor(y);
  TF_DeleteStatus(status);
}
static void destroy(void* kernel) {}
__attribute__((constructor)) static void add(void) {
  TF_Status* status = TF_NewStatus();
  TF_OpDefinitionBuilder* op = TF_NewOpDefinitionBuilder("DoubleOfTests");
  TF_OpDefinitionBuilderAddInput(op, "x: float");
  TF_OpDefinitionBuilderAddOutput(op, "y: float");
  TF_OpDefinitionBuilderSetShapeInferenceFunction(op, &infer);
  TF_RegisterOpDefinition(op, status);
  TF_KernelBuilder* builder =
      TF_NewKernelBuilder("DoubleOfTests", "CPU", &create, &compute, &destroy);
  TF_RegisterKernelBuilder("DoubleOfTests", builder, status);
  TF_DeleteStatus(status);
}
"""


@pytest.fixture(scope="module", autouse=True)
def use_shared_loader():
    """Start a process for each call, because a library stays loaded."""


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """A folder for `sys.path` with a package `tensorflow_text` that holds one operation."""
    import tensorflow as tf

    compiler = shutil.which("c++")
    if compiler is None:
        pytest.skip("needs a C++ compiler")
    folder = tmp_path_factory.mktemp("packages")
    ops = folder / "tensorflow_text" / "python" / "ops"
    ops.mkdir(parents=True)
    (folder / "tensorflow_text" / "__init__.py").write_text("raise ImportError('not needed')")
    (ops / "_broken.so").write_text("for another version")
    (folder / "op.cc").write_text(SOURCE)
    include = ["-I", tf.sysconfig.get_include()]
    command = [compiler, "-shared", "-fPIC", *include, "-o", ops / "_double.so", folder / "op.cc"]
    subprocess.run([*map(str, command)], check=True)
    return folder


@pytest.fixture(autouse=True)
def forget_libraries():
    server_operations._load_libraries.cache_clear()
    yield
    server_operations._load_libraries.cache_clear()


@pytest.fixture(scope="module")
def path(package, tmp_path_factory):
    """An export with the operation."""
    import tensorflow as tf

    double = tf.load_op_library(str(package / "tensorflow_text/python/ops/_double.so"))
    spec = export.Spec("x", (None,), "float32")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(package)
        patch.setenv("PYTHONPATH", str(package))
        server_operations._load_libraries.cache_clear()
        return export.saved_model(
            None,
            tmp_path_factory.mktemp("models") / "m",
            {"serving_default": (lambda x: double.double_of_tests(x=x), [spec])},
        )


def test_an_export_with_an_installed_library_is_checked_and_remarked(package, path, monkeypatch):
    monkeypatch.syspath_prepend(package)
    monkeypatch.setenv("PYTHONPATH", str(package))
    answer = export.run_in_c_loader(path, "serving_default", {"x": np.float32([1, 3])})
    assert answer["output"].tolist() == [2, 6]
    lines, problems = export.check(path)
    assert not problems
    assert any("needs TF Text, which tensorflow/serving includes" in line for line in lines)


def test_an_export_without_the_library_is_refused_with_the_packages(path, monkeypatch):
    monkeypatch.setattr(server_operations, "find_library_files", lambda: ())
    (problem,) = find_graph_problems(load_meta_graph(path))
    assert "install tensorflow_text or tensorflow_decision_forests" in problem
    assert problem.endswith("Received: ['DoubleOfTests']")
    with pytest.raises(RuntimeError, match="Op type not registered 'DoubleOfTests'"):
        export.run_in_c_loader(path, "serving_default", {"x": np.float32([1, 3])})
