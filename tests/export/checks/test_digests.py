"""SHA-256 digests of an export's files, in the format of `sha256sum`."""

import os
import shutil
import subprocess

import pytest

from keras_attention.export.checks import digests

NAMES = ["a b", "line\u2028end", "two\nlines", "back\\slash", os.fsdecode(b"latin\xe4")]


@pytest.fixture
def path(tmp_path):
    """A directory with files of unusual names, and their digests."""
    (tmp_path / "assets.extra").mkdir()
    for name in NAMES:
        try:
            (tmp_path / name).write_text(name, errors="surrogateescape")
        except OSError:
            pytest.skip("the file system does not allow such names")
    digests.write_digests(tmp_path)
    return tmp_path


def test_unchanged_files_of_any_name_pass(path):
    assert list(digests.find_changed_files(path)) == list(digests.find_unlisted_files(path)) == []
    if shutil.which("sha256sum"):
        command = ["sha256sum", "--check", "--quiet", "--strict", str(digests.FILE)]
        assert subprocess.run(command, cwd=path, check=False).returncode == 0


@pytest.mark.parametrize("name", NAMES)
def test_a_changed_or_missing_file_is_reported_as_a_problem(path, name):
    (path / name).write_text("other")
    (problem,) = digests.find_changed_files(path)
    (path / name).unlink()
    assert list(digests.find_changed_files(path)) == [problem] and "as it was exported" in problem
    problem.encode()  # must not raise: the message has to be printable


def test_an_unlisted_file_is_reported_as_a_remark(path):
    (path / "batching_params.pbtxt").write_text("")
    assert list(digests.find_changed_files(path)) == []
    assert list(digests.find_unlisted_files(path)) == [
        "not part of the export: batching_params.pbtxt"
    ]


def test_missing_digests_are_reported_as_a_remark_and_an_empty_file_is_reported_as_a_problem(path):
    (path / digests.FILE).write_text("")
    assert len(list(digests.find_changed_files(path))) == 1
    (path / digests.FILE).unlink()
    assert list(digests.find_changed_files(path)) == []
    assert [line.partition(" (")[0] for line in digests.find_unlisted_files(path)] == ["no digests"]
