"""What `sha256sum --check` says of an export, and of files that were put beside it."""

import os
import shutil
import subprocess

import pytest

from keras_attention.export.checks import digests

NAMES = ["a b", "line\u2028end", "two\nlines", "back\\slash", os.fsdecode(b"latin\xe4")]


@pytest.fixture
def path(tmp_path):
    """A directory with files of all kinds of names, and their digests."""
    (tmp_path / "assets.extra").mkdir()
    for name in NAMES:
        try:
            (tmp_path / name).write_text(name, errors="surrogateescape")
        except OSError:
            pytest.skip("the file system takes no such names")
    digests.write(tmp_path)
    return tmp_path


def test_files_of_any_name_are_as_they_were(path):
    assert list(digests.problems(path)) == list(digests.remarks(path)) == []
    if shutil.which("sha256sum"):
        command = ["sha256sum", "--check", "--quiet", "--strict", str(digests.FILE)]
        assert subprocess.run(command, cwd=path, check=False).returncode == 0


@pytest.mark.parametrize("name", NAMES)
def test_a_file_that_is_changed_or_gone_is_a_problem(path, name):
    (path / name).write_text("other")
    (problem,) = digests.problems(path)
    (path / name).unlink()
    assert list(digests.problems(path)) == [problem] and "as it was exported" in problem
    problem.encode()  # can be printed


def test_a_file_that_is_not_listed_is_a_remark(path):
    (path / "batching_params.pbtxt").write_text("")
    assert list(digests.problems(path)) == []
    assert list(digests.remarks(path)) == ["not exported with it: batching_params.pbtxt"]


def test_no_digests_are_a_remark_and_an_empty_file_of_them_a_problem(path):
    (path / digests.FILE).write_text("")
    assert len(list(digests.problems(path))) == 1
    (path / digests.FILE).unlink()
    assert list(digests.problems(path)) == []
    assert [line.partition(" (")[0] for line in digests.remarks(path)] == ["no digests"]
