"""XLA compiles each layer's forward pass and training step for an H200, without a GPU."""

import concurrent.futures
import multiprocessing

import keras
import numpy as np
import pytest

from benchmarks.gpu import ahead

if keras.backend.backend() != "tensorflow":
    pytest.skip("TensorFlow traces the programs", allow_module_level=True)
if ahead.missing_requirement():
    reason = f'needs {ahead.missing_requirement()}: pip install -e ".[gpu-aot]"'
    pytest.skip(reason, allow_module_level=True)

from benchmarks.gpu import tracing


@pytest.fixture(scope="module")
def compiler():
    """Processes that trace and compile, because the GPU compiler must be loaded before JAX runs."""
    context = multiprocessing.get_context("spawn")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XLA_FLAGS", "")  # the code that users run on a GPU, see `tests/xla_flags.py`
        with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as processes:
            yield processes
            processes.shutdown(cancel_futures=True)


@pytest.fixture(scope="module")
def compiling(compiler, request):
    """Submit all selected programs at once; return {name: future}."""
    specs = [getattr(item, "callspec", None) for item in request.session.items]
    names = {spec.params.get("program") for spec in specs if spec} & set(tracing.names())
    return {name: compiler.submit(ahead.compile_program, name) for name in sorted(names)}


# A training step contains the forward pass, except for paths without dropout and sampling.
FORWARD = {"additive", "additive_blockwise", "multi_head_self", "hard", "decoder_hard"}
PROGRAMS = [
    pytest.param(name, marks=pytest.mark.slow if is_slow else ())
    for name in sorted(tracing.names())
    for is_slow in [name.endswith(".forward") and name.split(".")[0] not in FORWARD]
]


@pytest.mark.parametrize("program", PROGRAMS)
def test_program_compiles_for_the_gpu(program, compiling):
    assert "is_scheduled=true" in compiling[program].result()


def test_compiler_is_the_gpu_compiler(compiler):
    text = compiler.submit(ahead.compile_program, "additive.float32.forward").result()
    assert "fusion_backend_config" in text  # CPU programs have none


def test_operation_without_gpu_code_is_refused(compiler):
    import jax

    unknown = jax.ffi.ffi_call("nobody_has_this", jax.ShapeDtypeStruct((4,), "float32"))
    program = jax.jit(unknown).lower(np.ones(4, "float32"))
    hlo = program.compiler_ir("hlo").as_serialized_hlo_module_proto()
    with pytest.raises(Exception, match="nobody_has_this"):
        compiler.submit(ahead.compile_for_h200, hlo).result()
