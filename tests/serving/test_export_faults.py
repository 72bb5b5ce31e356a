"""Exports that are killed, or find no room: no version that a server would load is ever wrong.

pytest -m slow tests/serving/test_export_faults.py     # fifty kills
"""

import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest

if keras.backend.backend() != "tensorflow":
    pytest.skip("TensorFlow Serving serves what TensorFlow exports", allow_module_level=True)

from keras_attention import export
from keras_attention.export.checks import digests
from tests.serving import exported

PROGRAM, ROOT = "tests.serving.killed_export", Path(__file__).parents[2]
WORDS = np.array([[3, 1, 4, 0], [1, 5, 9, 2]], "int32")


def start(directory, **given):
    """The exporting program, once it is about to export."""
    process = subprocess.Popen(
        [sys.executable, "-m", PROGRAM, str(directory)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        **given,
    )
    assert process.stdout.readline() == "ready\n", process.stderr.read()[-2000:]
    return process


def kill(process):
    """Ends the program and the process in which it checks its export."""
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def versions(directory):
    found = directory.iterdir() if directory.exists() else ()
    return [entry for entry in found if re.fullmatch("[0-9]+", entry.name)]


def survive(directory, kills, longest):
    """Kills exports at random moments; returns how many versions came to be all the same."""
    rng, expected = np.random.default_rng(), None
    count = 0
    for _ in range(kills):
        process = start(directory)
        time.sleep(rng.uniform(0, longest))
        kill(process)
        found = versions(directory)
        for version in found:
            assert (version / digests.FILE).exists() and not list(digests.problems(version))
            answer = export.run_in_c_loader(version, "serving_default", {"words": WORDS})["liked"]
            expected = answer if expected is None else expected
            np.testing.assert_array_equal(answer, expected)
        count += len(found)
        for version in found:
            shutil.rmtree(version)
    return count


def test_an_export_that_is_killed_leaves_no_version_that_is_wrong(tmp_path):
    survive(tmp_path / exported.NAME, kills=2, longest=4)


@pytest.mark.slow
def test_fifty_exports_that_are_killed_leave_no_version_that_is_wrong(tmp_path):
    count = survive(tmp_path / exported.NAME, kills=50, longest=12)
    print(f"\n50 exports killed, {count} versions had been written, all whole")
    assert count > 0


def test_an_export_without_room_says_so_and_leaves_nothing(tmp_path):
    directory, room = tmp_path / exported.NAME, (20_000, resource.RLIM_INFINITY)
    process = start(directory, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, room))
    _, said = process.communicate(timeout=120)
    assert process.returncode == 1 and "File too large" in said
    assert not directory.exists()
