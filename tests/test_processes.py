"""A run that `tests.processes` splits gives the results, files and summary of an undivided one."""

import os
import shutil
import subprocess
import sys
import types
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests.processes import split

ROOT = Path(__file__).parents[1]
PASSING = "def test_passes():\n    pass\n"
FILES = 11  # one more than a process runs if their durations are unknown


@pytest.fixture
def suite(tmp_path):
    """A folder of tests that pass, without a conftest.py that imports Keras."""
    (tmp_path / "pytest.ini").write_text("[pytest]\ntestpaths = tests\naddopts = -ra\n")
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["tests.processes"]\n')
    (tmp_path / "tests").mkdir()
    for number in range(FILES):
        (tmp_path / f"tests/test_{number:02}.py").write_text(PASSING)
    return tmp_path


def run_pytest(folder, *options):
    """Run pytest in a folder; return its exit code and output."""
    command = [sys.executable, "-m", "pytest", *options]
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    return result.returncode, result.stdout + result.stderr


def write_process_ids(suite):
    """Make every test write the id of its process; return a function that loads these ids."""
    for path in suite.glob("tests/test_*.py"):
        path.write_text(
            "import os, pathlib\n\ndef test_passes():\n"
            f"    pathlib.Path({str(suite)!r}, '{path.stem}.pid').write_text(str(os.getpid()))\n"
        )
    return lambda: [path.read_text() for path in suite.glob("*.pid")]


@pytest.mark.parametrize(("options", "processes"), [((), 2), (("--processes=0",), 1)])
def test_more_files_than_one_process_runs_are_split(suite, options, processes):
    load_ids = write_process_ids(suite)
    code, output = run_pytest(suite, *options)
    assert code == pytest.ExitCode.OK and f"{FILES} passed" in output
    assert len(load_ids()) == FILES and len(set(load_ids())) == processes


def test_a_selection_without_tests_has_the_exit_code_of_one(suite):
    code, _ = run_pytest(suite, "-k", "nothing")
    assert code == pytest.ExitCode.NO_TESTS_COLLECTED


def test_one_summary_has_failures_errors_skips_durations_and_counts(suite):
    (suite / "tests/test_00.py").write_text("def test_fails():\n    assert 3 == 4\n")
    (suite / "tests/test_03.py").write_text("def test_errs(missing):\n    pass\n")
    skipped = "import pytest\n\ndef test_skips():\n    pytest.skip('for a reason')\n"
    (suite / "tests/test_10.py").write_text(skipped)
    slow = "import time\n\ndef test_sleeps():\n    time.sleep(0.1)\n"
    (suite / "tests/test_09.py").write_text(slow)
    code, output = run_pytest(suite, "--durations=1", "--junitxml=report.xml")
    assert code == pytest.ExitCode.TESTS_FAILED
    assert output.count("short test summary info") == output.count("slowest") == 1
    for line in (
        "E       assert 3 == 4",
        "E       fixture 'missing' not found",
        "SKIPPED [1] tests/test_10.py:4: for a reason",
        "FAILED tests/test_00.py::test_fails - assert 3 == 4",
        "ERROR tests/test_03.py::test_errs",
        "call     tests/test_09.py::test_sleeps",
        "1 failed, 8 passed, 1 skipped, 1 error",
    ):
        assert line in output, output
    cases = list(ET.parse(suite / "report.xml").iter("testcase"))
    assert len(cases) == FILES
    assert sorted(part.tag for case in cases for part in case) == ["error", "failure", "skipped"]


def test_only_the_last_failures_run_again(suite):
    (suite / "tests/test_00.py").write_text("def test_fails():\n    assert 3 == 4\n" + PASSING)
    (suite / "tests/test_10.py").write_text("def test_fails():\n    assert 3 == 4\n" + PASSING)
    _, output = run_pytest(suite)
    assert f"2 failed, {FILES} passed" in output
    _, output = run_pytest(suite, "--lf")
    assert "2 failed in" in output


def test_the_first_failure_ends_the_run(suite):
    for number in range(FILES):
        (suite / f"tests/test_{number:02}.py").write_text("def test_fails():\n    assert 0\n")
    code, output = run_pytest(suite, "-x", "--processes=1")
    assert code == pytest.ExitCode.TESTS_FAILED and "1 failed in" in output


def test_a_test_that_kills_its_process_fails_and_the_others_run(suite):
    killer = "import os\n\ndef test_kills():\n    os.kill(os.getpid(), 9)\n\n" + PASSING
    (suite / "tests/test_03.py").write_text(killer)
    code, output = run_pytest(suite)
    assert code == pytest.ExitCode.TESTS_FAILED and f"1 failed, {FILES} passed" in output
    assert "FAILED tests/test_03.py::test_kills" in output
    assert "The process ended with status -9 during this test." in output


@pytest.mark.skipif(not os.path.exists("/proc/self/maps"), reason="needs /proc/self/maps")
def test_an_id_that_depends_on_the_process_is_named(suite):
    (suite / "tests/test_04.py").write_text(
        "import os, pytest\n\n"
        "@pytest.mark.parametrize('number', [os.getpid()])\n"
        "def test_passes(number):\n    pass\n"
    )
    code, output = run_pytest(suite)
    assert code == pytest.ExitCode.INTERNAL_ERROR
    assert "Expected the same node ids in every process" in output
    assert "not collected again: ['tests/test_04.py::test_passes[" in output


def test_a_process_stops_before_its_memory_maps_run_out(suite):
    (suite / "tests/test_00.py").write_text(
        "import os, pathlib, pytest\n\n@pytest.mark.parametrize('x', range(50))\n"
        "def test_many(x):\n"
        f"    pathlib.Path({str(suite)!r}, f'{{x}}.pid').write_text(str(os.getpid()))\n"
    )
    with (suite / "conftest.py").open("a") as file:
        file.write("\nimport tests.processes\n\ntests.processes.MAX_MEMORY_MAPS = 0\n")
    code, output = run_pytest(suite)
    assert code == pytest.ExitCode.OK and f"{FILES - 1 + 50} passed" in output
    assert len({path.read_text() for path in suite.glob("*.pid")}) == 3  # of 20, 20 and 10 tests


def test_groups_become_smaller_and_files_that_take_long_are_first():
    names = [f"tests/test_{number:03}.py" for number in range(100)]
    items = [types.SimpleNamespace(nodeid=f"{name}::test") for name in names]
    seconds = {names[70]: 300.0, names[30]: 100.0} | dict.fromkeys(names[80:], 0.1)
    groups = split(items, seconds, processes=2)
    assert [item.nodeid for item in groups[0]] == ["tests/test_070.py::test"]
    assert sorted(x.nodeid for group in groups for x in group) == [x.nodeid for x in items]
    groups = split(items, {}, processes=2)
    assert [len(group) for group in groups] == [34, 22, 15, 10, 10, 9]
    assert [item for group in groups for item in group] == items
    many = [types.SimpleNamespace(nodeid=f"{names[50]}::test_{number}") for number in range(1000)]
    assert split(items + many, {}, processes=2)[0][1:1001] == many  # 100 seconds are expected


def test_coverage_of_all_processes_is_combined(suite):
    pytest.importorskip("pytest_cov")
    (suite / "measured.py").write_text(
        "def first():\n    return 1\n\ndef second():\n    return 2\n"
    )
    for name, function in (("test_00", "first"), ("test_10", "second")):
        test = f"import measured\n\ndef test_calls():\n    measured.{function}()\n"
        (suite / f"tests/{name}.py").write_text(test)
    code, output = run_pytest(
        suite, "-p", "pytest_cov", "--cov=measured", "--cov-report=term-missing"
    )
    assert code == pytest.ExitCode.OK
    assert output.count("tests coverage") == 1
    assert "measured.py       4      0   100%" in output


def test_jax_modules_are_not_collected_for_doctests(tmp_path):
    """Importing them fails if JAX is not installed."""
    shutil.copy(ROOT / "conftest.py", tmp_path)
    (tmp_path / "keras_attention" / "jax").mkdir(parents=True)
    for name in ("keras_attention/jax/blocks.py", "test_jax.py"):
        (tmp_path / name).write_text("import jax_is_not_installed\n")
    _, output = run_pytest(tmp_path, "-q", "--doctest-modules", "--collect-only", ".")
    assert "test_jax.py" in output and "blocks.py" not in output
