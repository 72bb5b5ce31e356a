"""What doctests may use, which of them run where, and in how many processes all tests run."""

import os
import subprocess
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # before anything imports TensorFlow

import keras  # noqa: E402
import numpy as np  # noqa: E402
import pytest  # noqa: E402

import keras_attention  # noqa: E402

FILES = 15  # of tests, that one process runs


@pytest.fixture(autouse=True)
def names_of_the_examples(doctest_namespace):
    """The docstrings' examples read as after these three imports."""
    doctest_namespace.update(keras=keras, keras_attention=keras_attention, np=np)


def pytest_ignore_collect(collection_path):
    """The examples show TensorFlow's way of printing, so they run on TensorFlow."""
    in_package = "keras_attention" in collection_path.relative_to(os.path.dirname(__file__)).parts
    if in_package and keras.backend.backend() != "tensorflow":
        return True
    return None


def pytest_cmdline_main(config):
    """Runs all tests, where no other are asked for, in several processes, one after the other.

    XLA keeps what it has compiled till its process ends, with memory maps of which Linux gives a
    process 65,530: the whole suite asks for more, and would end in a segmentation fault.
    """
    if config.args_source is not pytest.Config.ArgsSource.TESTPATHS:
        return None
    files = sorted(map(str, Path("tests").rglob("test_*.py")))
    parts = [files[start : start + FILES] for start in range(0, len(files), FILES)]
    failed = 0
    for part in [*parts, ["keras_attention"]]:
        command = [sys.executable, "-m", "pytest", *config.invocation_params.args, *part]
        code = subprocess.run(command, check=False).returncode
        failed += code not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)
        if code == pytest.ExitCode.INTERRUPTED or failed and config.getoption("maxfail"):
            break
    print(f"\nOf {len(parts) + 1} processes that ran the tests {failed or 'none'} failed.")
    return pytest.ExitCode.TESTS_FAILED if failed else pytest.ExitCode.OK
