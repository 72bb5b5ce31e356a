"""Each layer's forward pass and training step compile with XLA for an H200; none is needed."""

import concurrent.futures
import multiprocessing

import keras
import numpy as np
import pytest

from benchmarks.gpu import ahead

if keras.backend.backend() != "tensorflow":
    pytest.skip("TensorFlow traces the programs", allow_module_level=True)
if ahead.missing():
    reason = f'needs {ahead.missing()}: pip install -e ".[gpu-aot]"'
    pytest.skip(reason, allow_module_level=True)

from benchmarks.gpu import tracing


@pytest.fixture(scope="module")
def compiled():
    """The GPU compiler, in a process of its own: it wants to be there before JAX is."""
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as process:
        yield lambda hlo: process.submit(ahead.compile_for_h200, hlo).result()


@pytest.mark.parametrize("name", tracing.names())
def test_it_compiles_for_the_gpu(name, compiled):
    text = compiled(tracing.trace(name).hlo())
    assert "is_scheduled=true" in text
    assert "fusion_backend_config" in text  # a GPU's; a CPU's programs have none


def test_what_the_gpu_has_no_code_for_is_refused(compiled):
    import jax

    unknown = jax.ffi.ffi_call("nobody_has_this", jax.ShapeDtypeStruct((4,), "float32"))
    program = jax.jit(unknown).lower(np.ones(4, "float32"))
    hlo = program.compiler_ir("hlo").as_serialized_hlo_module_proto()
    with pytest.raises(Exception, match="nobody_has_this"):
        compiled(hlo)
