import keras
import numpy as np
import pytest

pytest.importorskip("jax", reason="JAX's client runs the programs")
if keras.backend.backend() != "tensorflow":
    pytest.skip("TensorFlow traces the programs", allow_module_level=True)

import ml_dtypes

from benchmarks import gpu_check
from benchmarks.gpu import program, running, tracing
from tests.layers.contract.rows import ROWS

NAME = "additive.float32.training"
BFLOAT16 = "additive.mixed_bfloat16.training"


@pytest.fixture(scope="module")
def traced():
    return tracing.trace(NAME).program()


def test_every_case_has_a_forward_and_a_training_program():
    names = tracing.names()
    assert {name.split(".")[0] for name in names} == set(ROWS)
    for name in ROWS:
        assert {f"{name}.float32.forward", f"{name}.float32.training"} <= set(names)


def test_training_step_returns_values_gradients_and_updated_variables(traced):
    kinds = [name.split()[0] for name, _ in traced.outputs]
    assert sorted(set(kinds)) == ["gradient", "value", "variable"]
    after = {name: array for name, array in traced.outputs if name.startswith("variable")}
    gradients = {name: array for name, array in traced.outputs if name.startswith("gradient")}
    for kernel in ("query_kernel", "key_kernel", "scale"):
        (updated,) = [array for name, array in after.items() if kernel in name]
        (gradient,) = [array for name, array in gradients.items() if kernel in name]
        assert np.abs(gradient).max() > 0.01
        before = [p for p in traced.parameters if p.shape == updated.shape]
        assert any(np.allclose(p - 0.01 * gradient, updated, atol=1e-6) for p in before)
    (state,) = [array for name, array in after.items() if "seed_generator" in name]
    assert state.dtype == "int64" and state[1] == 1  # dropout has sampled once


@pytest.mark.parametrize("name", [NAME, BFLOAT16])
def test_saved_program_is_loaded_unchanged(name, tmp_path):
    saved = tracing.trace(name).program()
    saved.save(tmp_path)
    loaded = program.load(tmp_path / name)
    assert (loaded.name, loaded.hlo) == (saved.name, saved.hlo)
    assert [name for name, _ in loaded.outputs] == [name for name, _ in saved.outputs]
    pairs = [*zip(loaded.parameters, saved.parameters, strict=True)]
    pairs += [(a, b) for (_, a), (_, b) in zip(loaded.outputs, saved.outputs, strict=True)]
    for array, expected in pairs:
        assert array.dtype == expected.dtype
        np.testing.assert_array_equal(array, expected)
    is_half = [expected.dtype == ml_dtypes.bfloat16 for _, expected in pairs]
    assert any(is_half) == (name == BFLOAT16)


def test_exported_programs_run_and_fill_the_table(capsys, tmp_path):
    assert gpu_check.main(["--export", str(tmp_path), "--only", "additive.float32"]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["additive.float32.forward", NAME]
    capsys.readouterr()
    assert gpu_check.main(["--programs", str(tmp_path), "--platform", "cpu"]) == 0
    *_, head, rule, forward, training, count = capsys.readouterr().out.splitlines()
    assert forward.startswith("| additive.float32.forward |") and training.endswith("| ok |")
    assert len({line.count("|") for line in (head, rule, forward, training)}) == 1
    assert count == "2 passed, 0 failed"


@pytest.mark.parametrize("kind", ["value", "gradient", "variable"])
def test_wrong_number_fails(kind, traced, tmp_path, capsys):
    outputs = [
        (name, array * (1.01 if name.startswith(kind) else 1)) for name, array in traced.outputs
    ]
    program.Program(NAME, traced.hlo, traced.parameters, outputs).save(tmp_path)
    assert gpu_check.main(["--programs", str(tmp_path), "--platform", "cpu"]) == 1
    *_, row, count = capsys.readouterr().out.splitlines()
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    values, gradients = (float(cell) for cell in cells[1:3])
    assert (values > 1e-3) == (kind == "value") and (gradients > 1e-3) == (kind != "value")
    assert cells[-1] == "FAILS" and count == "0 passed, 1 failed"


def test_nan_fails():
    expected = [("value output", np.ones(3, "float32"))]
    errors = running.errors(program.Program("", b"", [], expected), [np.array([1, np.nan, 1])])
    result = running.Result(NAME, errors, (0.0, 0.0), 1.0)
    assert np.isnan(errors[0]) and not result.passes


def test_gradient_of_rounding_errors_passes():
    expected = [("gradient kernel", np.full(3, 40.0)), ("gradient bias", np.full(3, 1e-6))]
    results = [np.full(3, 40.0), np.full(3, -3e-6)]
    _, error = running.errors(program.Program("", b"", [], expected), results)
    np.testing.assert_allclose(error, 4e-6 / 40e-3)


def test_program_that_does_not_compile_is_reported_in_the_table(traced, tmp_path, capsys):
    program.Program(NAME, b"nonsense", traced.parameters, traced.outputs).save(tmp_path)
    assert gpu_check.main(["--programs", str(tmp_path), "--platform", "cpu"]) == 1
    *_, row, count = capsys.readouterr().out.splitlines()
    assert "FAILS: " in row and count == "0 passed, 1 failed"


def test_missing_gpu_is_reported_in_one_line(monkeypatch, capsys):
    def raise_error(platform):
        raise RuntimeError(f"no {platform}")

    monkeypatch.setattr("jax.devices", raise_error)
    assert gpu_check.main([]) == 1
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("No GPU: ") and "--platform cpu" in line


def test_name_that_no_program_contains_is_refused(capsys, tmp_path):
    assert gpu_check.main(["--only", "nobody", "--platform", "cpu"]) == 1
    assert "nobody" in capsys.readouterr().out
    assert gpu_check.main(["--programs", str(tmp_path), "--platform", "cpu"]) == 1
