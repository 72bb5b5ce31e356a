"""A suite that conftest.py splits into processes ends as an undivided one, and reports as one."""

import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def run_pytest(folder, *options):
    """Runs pytest in a folder, with this project's conftest.py there; its exit code and output."""
    shutil.copy(ROOT / "conftest.py", folder)
    command = [sys.executable, "-m", "pytest", "-q", *options]
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    return done.returncode, done.stdout


def run(folder, *options, files):
    """Runs pytest, without naming any files, on so many files of one test."""
    (folder / "pytest.ini").write_text("[pytest]\ntestpaths = tests keras_attention\n")
    for name in ("tests", "keras_attention"):
        (folder / name).mkdir()
    for number in range(files):
        (folder / f"tests/test_{number:02}.py").write_text(f"def test_{number}():\n    pass\n")
    return run_pytest(folder, *options)


def test_where_no_test_ran_it_says_so(tmp_path):
    code, said = run(tmp_path, "-k", "nothing", files=1)
    assert "2 processes" in said and code == pytest.ExitCode.NO_TESTS_COLLECTED


def test_some_tests_are_enough(tmp_path):
    code, said = run(tmp_path, files=1)
    assert "2 processes" in said and code == pytest.ExitCode.OK


def test_a_report_has_the_tests_of_all_files(tmp_path):
    code, said = run(tmp_path, "--junitxml=report.xml", files=17)
    assert "processes" not in said and code == pytest.ExitCode.OK
    assert len(list(ET.parse(tmp_path / "report.xml").iter("testcase"))) == 17


def test_modules_of_jax_are_not_looked_into_for_examples(tmp_path):
    """Where JAX is not installed, importing them fails."""
    (tmp_path / "keras_attention" / "jax").mkdir(parents=True)
    for name in ("keras_attention/jax/blocks.py", "test_jax.py"):
        (tmp_path / name).write_text("import jax_is_not_installed\n")
    _, said = run_pytest(tmp_path, "--doctest-modules", "--collect-only", ".")
    assert "test_jax.py" in said and "blocks.py" not in said
