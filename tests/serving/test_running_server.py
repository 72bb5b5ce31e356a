"""A server that runs already is asked where the environment gives its addresses."""

import os
import subprocess
import sys
from pathlib import Path

import keras
import pytest

if keras.backend.backend() != "tensorflow":
    pytest.skip("TensorFlow Serving serves what TensorFlow exports", allow_module_level=True)

ROOT = Path(__file__).parents[2]
ASKED = "tests/serving/test_protocols.py::test_signatures_are_told_to_clients"
OF_ITS_OWN = "tests/serving/test_faults.py::test_a_broken_version_is_refused_and_the_old_one_stays"


def run(test, **addresses):
    given = {f"TENSORFLOW_SERVING_{name}": address for name, address in addresses.items()}
    command = [sys.executable, "-m", "pytest", "-q", test]
    return subprocess.run(
        command, cwd=ROOT, env={**os.environ, **given}, capture_output=True, text=True
    ).stdout


def test_it_answers_and_no_other_is_started(published):
    said = run(ASKED, GRPC=published.grpc, REST=published.rest)
    assert "1 passed" in said, said
    said = run(ASKED, GRPC=published.grpc, REST="127.0.0.1:1")
    assert "1 failed" in said and "Connection refused" in said, said


def test_half_of_the_addresses_are_refused():
    said = run(ASKED, GRPC="127.0.0.1:1", REST="")
    assert "Expected both TENSORFLOW_SERVING_GRPC and" in said, said


def test_what_would_kill_it_is_skipped():
    said = run(OF_ITS_OWN, GRPC="127.0.0.1:1", REST="127.0.0.1:2")
    assert "1 skipped" in said and "the one at 127.0.0.1:1 is left as it is" in said, said
