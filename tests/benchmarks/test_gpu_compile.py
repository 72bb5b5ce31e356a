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
def compiler():
    """Processes that trace and compile; the GPU compiler wants to be there before JAX is."""
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as processes:
        yield processes
        processes.shutdown(cancel_futures=True)


@pytest.fixture(scope="module")
def compiling(compiler, request):
    """{name: its future}: all that are asked for, so that no process waits for a test."""
    asked = [getattr(item, "callspec", None) for item in request.session.items]
    names = {each.params.get("program") for each in asked if each} & set(tracing.names())
    return {name: compiler.submit(ahead.compile_program, name) for name in sorted(names)}


# A training step has the forward pass in it, but for what is there without dropout and draws.
FORWARD = {"additive", "additive_blockwise", "multi_head_self", "hard", "decoder_hard"}
PROGRAMS = [
    pytest.param(name, marks=pytest.mark.slow if is_slow else ())
    for name in sorted(tracing.names())
    for is_slow in [name.endswith(".forward") and name.split(".")[0] not in FORWARD]
]


@pytest.mark.parametrize("program", PROGRAMS)
def test_it_compiles_for_the_gpu(program, compiling):
    assert "is_scheduled=true" in compiling[program].result()


def test_the_compiler_is_the_gpus(compiler):
    text = compiler.submit(ahead.compile_program, "additive.float32.forward").result()
    assert "fusion_backend_config" in text  # a CPU's programs have none


def test_what_the_gpu_has_no_code_for_is_refused(compiler):
    import jax

    unknown = jax.ffi.ffi_call("nobody_has_this", jax.ShapeDtypeStruct((4,), "float32"))
    program = jax.jit(unknown).lower(np.ones(4, "float32"))
    hlo = program.compiler_ir("hlo").as_serialized_hlo_module_proto()
    with pytest.raises(Exception, match="nobody_has_this"):
        compiler.submit(ahead.compile_for_h200, hlo).result()
