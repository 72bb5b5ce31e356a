"""Exports that are killed, or run out of disk space, leave no version that a server would load.

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

PROGRAM, ROOT = "tests.serving.export_forever", Path(__file__).parents[2]
WORDS = np.array([[3, 1, 4, 0], [1, 5, 9, 2]], "int32")


def start_exporting(directory, **options):
    """Start the exporting program, and wait until it is about to export."""
    process = subprocess.Popen(
        [sys.executable, "-m", PROGRAM, str(directory)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        **options,
    )
    assert process.stdout.readline() == "ready\n", process.stderr.read()[-2000:]
    return process


def kill(process):
    """Kill the program's process group: the program, and the subprocess that checks its export."""
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def list_versions(directory):
    entries = directory.iterdir() if directory.exists() else ()
    return [entry for entry in entries if re.fullmatch("[0-9]+", entry.name)]


def check_killed_exports(directory, kills, max_seconds):
    """Kill exports at random moments, check every version left, return the number of versions."""
    rng, expected = np.random.default_rng(), None  # other moments in each run
    count = 0
    for _ in range(kills):
        process = start_exporting(directory)
        time.sleep(rng.uniform(0, max_seconds))
        kill(process)
        versions = list_versions(directory)
        for version in versions:
            assert (version / digests.FILE).exists() and not list(
                digests.find_changed_files(version)
            )
            answer = export.run_in_c_loader(version, "serving_default", {"words": WORDS})["liked"]
            expected = answer if expected is None else expected
            np.testing.assert_array_equal(answer, expected)
        count += len(versions)
        for version in versions:
            shutil.rmtree(version)
    return count


def test_a_killed_export_leaves_no_incomplete_version(tmp_path):
    check_killed_exports(tmp_path / exported.NAME, kills=2, max_seconds=4)


@pytest.mark.slow
def test_fifty_killed_exports_leave_no_incomplete_version(tmp_path):
    count = check_killed_exports(tmp_path / exported.NAME, kills=50, max_seconds=12)
    print(f"\n50 exports killed, {count} versions were written, all complete")
    assert count > 0


def test_an_export_without_disk_space_fails_and_leaves_no_files(tmp_path):
    # A limit on the size of a file replaces a full disk: in both, writing fails.
    directory, limit = tmp_path / exported.NAME, (20_000, resource.RLIM_INFINITY)
    process = start_exporting(
        directory, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    )
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 1 and "File too large" in errors
    assert not directory.exists()
