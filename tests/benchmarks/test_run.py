"""The command, its children and what they import."""

import os
import subprocess
import sys
from pathlib import Path

import keras
import pytest

from benchmarks import __main__ as command
from benchmarks import memory, run, worker
from benchmarks.cases import cases
from benchmarks.children import Child

BACKEND = keras.backend.backend()
ROOT = Path(__file__).parents[2]


def python(script):
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_parent_imports_no_backend():
    python("""
import sys
from benchmarks import __main__, run
from benchmarks.cases import cases
assert cases(["tensorflow", "jax", "torch"])
loaded = {name.split(".")[0] for name in sys.modules}
assert not loaded & {"keras", "tensorflow", "jax", "torch"}
""")


@pytest.mark.skipif(BACKEND == "tensorflow", reason="a child of another backend")
def test_a_child_of_another_backend_needs_no_tensorflow():
    os.environ["KERAS_BACKEND"] = BACKEND
    python(f"""
import sys

class Hiding:
    def __init__(self, finder):
        self.finder = finder
    def find_spec(self, name, *more):
        if name.split(".")[0] in ("tensorflow", "tensorflow_probability", "tf_keras"):
            return None
        return self.finder.find_spec(name, *more)
    def __getattr__(self, name):
        return getattr(self.finder, name)

sys.meta_path[:] = [Hiding(finder) for finder in sys.meta_path]
from benchmarks import worker
from benchmarks.cases import cases
(case,) = cases([{BACKEND!r}], quick=True, only="dot")
found = worker.measure(case, 1e9, 0.01)
assert all("median" in each for each in found.values()), found
assert not any(name.split(".")[0] == "tensorflow" for name in sys.modules)
""")


def test_the_whole_way_and_back_again(tmp_path, capsys):
    given = ["--quick", "--only", "dot", "--backends", BACKEND, "--runs", str(tmp_path)]
    assert run.run(command.arguments([*given, "--time-limit", "0"])) == 0
    page = tmp_path / "quick" / "benchmarks.md"
    assert "not run: the time was up" in page.read_text()
    assert "to go" in capsys.readouterr().out
    assert run.run(command.arguments(given)) == 0
    text, printed = page.read_text(), capsys.readouterr().out
    assert "not run" not in text and "×" in text and " %" in text
    assert "time/dot" in printed and "to go" not in printed
    header, ours, *_ = (tmp_path / "quick" / "benchmarks.csv").read_text().splitlines()
    assert float(dict(zip(header.split(","), ours.split(","), strict=True))["median_s"]) > 0
    assert run.run(command.arguments(given)) == 0
    assert "time/dot" not in capsys.readouterr().out  # everything was there


def test_who_would_hold_too_much_is_skipped_with_the_reason():
    case = next(c for c in cases([BACKEND], only="additive") if c.length == 2048)
    found = worker.why_not(case, "keras AdditiveAttention", 10e9)
    copies = {"xla": 1, "plain": 2, "eager": 2}[case.mode]
    copies *= {"forward": 1, "training": 2}[case.step]
    assert found == f"would hold {copies * 8 * 2048**2 * 256 * 4 / 1e9:.1f} GB"
    assert worker.why_not(case, "ours", 10e9) is None


def test_a_missing_module_is_a_reason(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    case = next(c for c in cases(["torch"], only="local"))
    assert worker.why_not(case, "local-attention", 10e9) == "needs the module local_attention"


def test_a_child_that_dies_is_said_to_have_and_starts_anew(tmp_path):
    child = Child("nobody", "cpu", tmp_path / "log")
    for _ in range(2):
        assert child.ask({"limits": "float32"}) == {"died": "the process ended: exit status 1"}
    assert "nobody" in (tmp_path / "log").read_text()


def test_a_machine_without_a_gpu_is_said_to_be_one(tmp_path, monkeypatch):
    monkeypatch.setattr(Child, "ask", lambda *question: {"device": None, "rates": {}})
    given = ["--device", "gpu", "--quick", "--backends", BACKEND, "--runs", str(tmp_path)]
    with pytest.raises(SystemExit, match="Expected a GPU"):
        run.run(command.arguments(given))


def test_a_contestant_that_fails_in_its_own_process_says_how(monkeypatch):
    def refuse(case):
        raise MemoryError("33 GB")

    monkeypatch.setattr(memory, "peak_bytes", refuse)
    case = next(c for c in cases([BACKEND], quick=True) if c.measure == "memory")
    assert worker.measure(case, 1e9, 0.1) == {"ours": {"failed": "MemoryError: 33 GB"}}


def test_a_failure_is_told_from_a_skip():
    assert run.has_failed({"died": "SIGKILL"}) and run.has_failed({"ours": {"failed": "oh"}})
    assert not run.has_failed({"ours": {"median": 1.0}, "other": {"skipped": "too large"}})
    assert not run.has_failed(None)


def test_the_high_water_mark_knows_what_was_held_and_let_go():
    before = memory._start_anew()
    held = b"x" * 200_000_000
    del held
    assert memory._status("VmHWM") - before > 150_000_000


@pytest.mark.parametrize("given", [["--only", "nobody"], ["--backends", "nobody"]])
def test_unknown_words_are_refused(given, capsys):
    with pytest.raises(SystemExit):
        command.arguments(given)
    assert "nobody" in capsys.readouterr().err
