"""What doctests may use, which of them run where, and in how many processes all tests run."""

import os
import random
import subprocess
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # before anything imports TensorFlow

import keras  # noqa: E402
import numpy as np  # noqa: E402
import pytest  # noqa: E402

import keras_attention  # noqa: E402

FILES = 10  # of tests, that one process runs
# Options, by pytest's own names for them, whose files each process would write over the last one's:
# --junitxml, --lf, --ff, --nf, --sw, and --cov of pytest-cov.
OF_ONE_PROCESS = ("xmlpath", "lf", "failedfirst", "newfirst", "stepwise", "cov_source")


@pytest.fixture(autouse=True)
def names_of_the_examples(doctest_namespace):
    """The docstrings' examples read as after these three imports."""
    doctest_namespace.update(keras=keras, keras_attention=keras_attention, np=np)


@pytest.fixture(autouse=True, scope="module")
def nothing_compiled_before():
    """On JAX what one file has compiled goes before the next: see `pytest_cmdline_main`."""
    if keras.backend.backend() == "jax":
        import jax

        jax.clear_caches()


@pytest.hookimpl(tryfirst=True)  # before the fixtures of modules, too
def pytest_runtest_setup(item):
    """Keras draws the seeds of initializers here, so that a failure can be seen again.

    keras.utils.set_random_seed would do more: have TensorFlow forget all kernels, in every test.
    """
    random.seed(0)


def pytest_ignore_collect(collection_path):
    """The examples show TensorFlow's way of printing, so they run on TensorFlow.

    In the package the modules for JAX are not looked into: JAX need not be installed.
    """
    parts = collection_path.relative_to(os.path.dirname(__file__)).parts
    if "keras_attention" not in parts:
        return None
    return True if "jax" in parts or keras.backend.backend() != "tensorflow" else None


def pytest_cmdline_main(config):
    """Runs all tests, where no other are asked for, in several processes, one after the other.

    XLA keeps what it has compiled till its process ends, with memory maps of which Linux gives a
    process 65,530: the whole suite asks for more, and would end in a segmentation fault.
    """
    is_all = config.args_source is pytest.Config.ArgsSource.TESTPATHS
    if not is_all or any(config.getoption(name, None) for name in OF_ONE_PROCESS):
        return None
    # Test files and no others: what helps them has no tests of its own, nor examples to run.
    files = sorted(map(str, Path("tests").rglob("test_*.py")))
    parts = [files[start : start + FILES] for start in range(0, len(files), FILES)]
    codes = []
    for part in [*parts, ["keras_attention"]]:
        command = [sys.executable, "-m", "pytest", *config.invocation_params.args, *part]
        codes.append(subprocess.run(command, check=False).returncode)
        if codes[-1] == pytest.ExitCode.INTERRUPTED or _failed(codes) and config.option.maxfail:
            break
    failed = _failed(codes)
    print(f"\nOf {len(parts) + 1} processes that ran the tests {failed or 'none'} failed.")
    if set(codes) == {pytest.ExitCode.NO_TESTS_COLLECTED}:
        return pytest.ExitCode.NO_TESTS_COLLECTED
    return pytest.ExitCode.TESTS_FAILED if failed else pytest.ExitCode.OK


def _failed(codes):
    return sum(
        code not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED) for code in codes
    )
