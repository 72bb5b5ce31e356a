"""The command line, the child processes and their imports."""

import os
import subprocess
import sys
from pathlib import Path

import keras
import pytest

from benchmarks import __main__ as command
from benchmarks import memory, run, worker
from benchmarks.cases import list_cases
from benchmarks.children import Child

BACKEND = keras.backend.backend()
ROOT = Path(__file__).parents[2]


def run_python(script):
    process = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True
    )
    assert process.returncode == 0, process.stderr


def test_parent_imports_no_backend():
    run_python("""
import sys
from benchmarks import __main__, run
from benchmarks.cases import list_cases
assert list_cases(["tensorflow", "jax", "torch"])
loaded = {name.split(".")[0] for name in sys.modules}
assert not loaded & {"keras", "tensorflow", "jax", "torch"}
""")


@pytest.mark.skipif(BACKEND == "tensorflow", reason="a child of another backend")
def test_child_of_another_backend_needs_no_tensorflow():
    os.environ["KERAS_BACKEND"] = BACKEND
    run_python(f"""
import sys

class HidingFinder:
    def __init__(self, finder):
        self.finder = finder
    def find_spec(self, name, *more):
        if name.split(".")[0] in ("tensorflow", "tensorflow_probability", "tf_keras"):
            return None
        return self.finder.find_spec(name, *more)
    def __getattr__(self, name):
        return getattr(self.finder, name)

sys.meta_path[:] = [HidingFinder(finder) for finder in sys.meta_path]
from benchmarks import worker
from benchmarks.cases import list_cases
(case,) = list_cases([{BACKEND!r}], quick=True, only="dot")
results = worker.measure(case, 1e9, 0.01)
assert all("median" in result for result in results.values()), results
assert not any(name.split(".")[0] == "tensorflow" for name in sys.modules)
""")


def test_run_writes_tables_and_resumes(tmp_path, capsys):
    arguments = ["--quick", "--only", "dot", "--backends", BACKEND, "--runs", str(tmp_path)]
    assert run.run(command.parse_arguments([*arguments, "--time-limit", "0"])) == 0
    page = tmp_path / "quick" / "benchmarks.md"
    assert "not run: time limit reached" in page.read_text()
    assert "cases remain" in capsys.readouterr().out
    assert run.run(command.parse_arguments(arguments)) == 0
    text, printed = page.read_text(), capsys.readouterr().out
    assert "not run" not in text and "×" in text and " %" in text
    assert "time/dot" in printed and "cases remain" not in printed
    header, ours, *_ = (tmp_path / "quick" / "benchmarks.csv").read_text().splitlines()
    assert float(dict(zip(header.split(","), ours.split(","), strict=True))["median_s"]) > 0
    assert run.run(command.parse_arguments(arguments)) == 0
    assert "time/dot" not in capsys.readouterr().out  # All results were stored.


def test_contestant_that_needs_too_much_memory_is_skipped_with_a_reason():
    case = next(c for c in list_cases([BACKEND], only="additive") if c.length == 2048)
    reason = worker.get_skip_reason(case, "keras AdditiveAttention", 10e9)
    copies = {"xla": 1, "plain": 2, "eager": 2}[case.mode]
    copies *= {"forward": 1, "training": 2}[case.step]
    assert reason == f"would need {copies * 8 * 2048**2 * 256 * 4 / 1e9:.1f} GB"
    assert worker.get_skip_reason(case, "ours", 10e9) is None


def test_contestant_with_a_missing_module_is_skipped_with_a_reason(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    case = next(c for c in list_cases(["torch"], only="local"))
    assert (
        worker.get_skip_reason(case, "local-attention", 10e9) == "needs the module local_attention"
    )


def test_dead_child_is_reported_and_restarted(tmp_path):
    child = Child("nobody", "cpu", tmp_path / "log")
    for _ in range(2):
        assert child.ask({"limits": "float32"}) == {"died": "the process ended: exit status 1"}
    assert "nobody" in (tmp_path / "log").read_text()


def test_missing_gpu_is_reported(tmp_path, monkeypatch):
    monkeypatch.setattr(Child, "ask", lambda *question: {"device": None, "rates": {}})
    arguments = ["--device", "gpu", "--quick", "--backends", BACKEND, "--runs", str(tmp_path)]
    with pytest.raises(SystemExit, match="Expected a GPU"):
        run.run(command.parse_arguments(arguments))


def test_failure_in_a_memory_process_is_reported(monkeypatch):
    def fail(case):
        raise MemoryError("33 GB")

    monkeypatch.setattr(memory, "measure_peak_bytes", fail)
    case = next(c for c in list_cases([BACKEND], quick=True) if c.measure == "memory")
    assert worker.measure(case, 1e9, 0.1) == {"ours": {"failed": "MemoryError: 33 GB"}}


def test_skipped_contestant_is_not_a_failure():
    assert run.has_failed({"died": "SIGKILL"}) and run.has_failed({"ours": {"failed": "oh"}})
    assert not run.has_failed({"ours": {"median": 1.0}, "other": {"skipped": "too large"}})
    assert not run.has_failed(None)


def test_high_water_mark_includes_freed_memory():
    before = memory._reset_peak()
    block = b"x" * 200_000_000
    del block
    assert memory._read_status("VmHWM") - before > 150_000_000


@pytest.mark.parametrize("arguments", [["--only", "nobody"], ["--backends", "nobody"]])
def test_unknown_names_are_refused(arguments, capsys):
    with pytest.raises(SystemExit):
        command.parse_arguments(arguments)
    assert "nobody" in capsys.readouterr().err
