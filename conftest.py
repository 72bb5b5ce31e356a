"""What doctests may use, and which of them run where."""

import itertools
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # before anything imports TensorFlow

import keras  # noqa: E402
import numpy as np  # noqa: E402
import pytest  # noqa: E402

import keras_attention  # noqa: E402

FINISHED = itertools.count(1)


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


def pytest_runtest_logfinish(nodeid, location):
    """Frees what JAX has compiled, every now and then.

    Each of its programs keeps memory maps, of which Linux gives a process 65,530: a whole run of
    this suite asks for more, and then XLA ends in a segmentation fault.
    """
    if keras.backend.backend() == "jax" and next(FINISHED) % 100 == 0:
        import jax

        jax.clear_caches()
