"""What doctests may use, and which of them run where."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # before anything imports TensorFlow

import keras  # noqa: E402
import numpy as np  # noqa: E402
import pytest  # noqa: E402

import keras_attention  # noqa: E402


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
