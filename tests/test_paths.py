"""Paths from users: `~` is expanded, and the address of an object store raises an error."""

from pathlib import Path

import numpy as np
import pytest

from keras_attention import export, visualize
from keras_attention.export.__main__ import main
from keras_attention.paths import to_local_path

ADDRESSES = ["s3://bucket/models/name", "gs://bucket/name", "hdfs://host/name", Path("s3://bucket")]
FUNCTIONS = {
    "saved_model": lambda path: export.saved_model(None, path),
    "check": export.check,
    "label": lambda path: export.label(path, {"stable": 1}),
    "prune": lambda path: export.prune(path, keep=1),
    "how_to_serve": export.how_to_serve,
    "openapi": export.openapi,
    "smoke": lambda path: export.smoke("localhost:1", path),
    "triton": lambda path: export.triton(path, "models"),
    "run_in_c_loader": lambda path: export.run_in_c_loader(path, "serving_default", {}),
    "heatmap": lambda path: visualize.heatmap(np.ones((1, 1)), path=f"{path}.png"),
    "colored_text": lambda path: visualize.colored_text([1.0], ["a"], path=f"{path}.html"),
}


@pytest.fixture(autouse=True)
def working_directory(tmp_path, monkeypatch):
    """Change to an empty working directory, with an empty home directory."""
    (tmp_path / "home").mkdir()
    (tmp_path / "work").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


@pytest.mark.parametrize("address", ADDRESSES, ids=str)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_address_of_an_object_store_is_refused(name, address, working_directory):
    if name == "saved_model":
        pytest.importorskip("tensorflow")
    with pytest.raises((ValueError, RuntimeError), match="local path.*copy|tensorflow backend"):
        FUNCTIONS[name](address)
    assert not list(working_directory.iterdir())


@pytest.mark.parametrize("url", ["file:///tmp/models", "file:/tmp/models", Path("file:///tmp")])
def test_url_of_a_file_is_refused_with_advice(url):
    with pytest.raises(ValueError, match="`path` to be a path.*leave out `file://`"):
        to_local_path("path", url)


@pytest.mark.parametrize("value", [None, 3, b"bytes", ["list"], True])
@pytest.mark.parametrize("name", [n for n in FUNCTIONS if n not in ("heatmap", "colored_text")])
def test_error_names_the_argument_of_a_wrong_path(name, value):
    with pytest.raises((ValueError, RuntimeError), match="`(path|directory)` to be a path|backend"):
        FUNCTIONS[name](value)


@pytest.mark.parametrize("command", ["check", "label", "openapi", "prune"])
def test_commands_refuse_the_address_of_an_object_store(command, capsys):
    options = {"label": ["stable=1"], "prune": ["--keep", "1"]}.get(command, [])
    assert main([command, "s3://bucket/models/name", *options]) == 1
    assert "s3://bucket/models/name" in capsys.readouterr().err


def test_home_is_expanded(tmp_path):
    assert to_local_path("path", "~/models") == tmp_path / "home" / "models"
    visualize.colored_text([1.0], ["a"], path="~/text.html")
    assert (tmp_path / "home" / "text.html").exists()


@pytest.mark.parametrize("path", ["models/s3", "a:b/c", "C:/models", "./~", "models/x://y"])
def test_local_path_is_unchanged(path):
    assert to_local_path("path", path) == Path(path)
