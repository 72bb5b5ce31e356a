"""Fixtures of all tests and of the docstrings' examples, and which of these are collected."""

import itertools
import os
import random

from tests.xla_flags import compile_fast

# Both calls set environment variables that TensorFlow and JAX read when they are imported.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
compile_fast()

import keras  # noqa: E402
import numpy as np  # noqa: E402
import pytest  # noqa: E402

import keras_attention  # noqa: E402
from tests.memory_maps import TESTS_PER_COUNT, clear_jax_caches_above  # noqa: E402

pytest_plugins = ["tests.processes"]

MAX_MEMORY_MAPS = 30_000  # of the 65,530 that Linux allows a process
TESTS = itertools.count()


@pytest.fixture(autouse=True)
def add_doctest_names(doctest_namespace):
    """Make the names that the docstrings' examples use without an import."""
    doctest_namespace.update(keras=keras, keras_attention=keras_attention, np=np)


@pytest.fixture(autouse=True, scope="module")
def clear_jax_caches():
    """On JAX, drop the compiled functions of the previous file: see `tests.processes`."""
    if keras.backend.backend() == "jax":
        import jax

        jax.clear_caches()


@pytest.fixture(autouse=True)
def clear_jax_caches_before_maps_run_out():
    """On JAX, drop the compiled functions of a long file before Linux's memory maps run out."""
    if keras.backend.backend() == "jax" and next(TESTS) % TESTS_PER_COUNT == 0:
        clear_jax_caches_above(MAX_MEMORY_MAPS)


@pytest.hookimpl(tryfirst=True)  # also before the fixtures of modules
def pytest_runtest_setup(item):
    """Fix the seeds that Keras draws for initializers, so that a failure can be reproduced.

    keras.utils.set_random_seed would also make TensorFlow drop its compiled kernels in each test.
    """
    random.seed(0)


def pytest_ignore_collect(collection_path):
    """Collect the docstrings' examples on TensorFlow only: they show its way of printing.

    The package's modules for JAX are never collected, because JAX need not be installed.
    """
    parts = collection_path.relative_to(os.path.dirname(__file__)).parts
    if "keras_attention" not in parts:
        return None
    return True if "jax" in parts or keras.backend.backend() != "tensorflow" else None
