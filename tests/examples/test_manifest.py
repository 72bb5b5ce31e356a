"""The manifest of the published exports."""

import json

import pytest

from examples import manifest


def create_run(folder, name, size=10):
    """Create the folder of a run whose export has two files, and return it."""
    version = folder / "saved_models" / name / "3"
    (version / "variables").mkdir(parents=True)
    (version / "saved_model.pb").write_bytes(b"graph")
    (version / "variables" / "variables.data").write_bytes(b"w" * size)
    directory = folder / f"{name}-run"
    directory.mkdir()
    figures = {"command": "python x.py", "accuracy": 0.5, "export": str(version)}
    (directory / "figures.json").write_text(json.dumps(figures))
    return directory


def test_an_export_is_listed_with_its_figures_and_digests(tmp_path):
    manifest.add([create_run(tmp_path, "b"), create_run(tmp_path, "a")], tmp_path / "saved_models")
    entries = manifest.read(tmp_path / "saved_models")
    assert list(entries) == ["a", "b"]
    entry = entries["a"]
    assert (entry["version"], entry["accuracy"], entry["bytes"]) == (3, 0.5, 15)
    assert list(entry["sha256"]) == ["saved_model.pb", "variables/variables.data"]
    version = tmp_path / "saved_models/a/3"
    (version / "variables/variables.data").write_bytes(b"x" * 10)
    changed = manifest.compute_digests(version)
    assert changed["saved_model.pb"] == entry["sha256"]["saved_model.pb"]
    assert changed["variables/variables.data"] != entry["sha256"]["variables/variables.data"]


def test_adding_an_export_keeps_the_others(tmp_path):
    manifest.add([create_run(tmp_path, "a")], tmp_path / "saved_models")
    manifest.add([create_run(tmp_path, "b")], tmp_path / "saved_models")
    assert list(manifest.read(tmp_path / "saved_models")) == ["a", "b"]


def test_an_export_that_is_too_large_or_elsewhere_is_refused(tmp_path):
    large = create_run(tmp_path, "a", manifest.MAX_EXPORT_BYTES)
    with pytest.raises(ValueError, match="Expected at most 2000000 bytes. Received: .*2000005"):
        manifest.add([large], tmp_path / "saved_models")
    with pytest.raises(ValueError, match="Expected an export in"):
        manifest.add([create_run(tmp_path, "b")], tmp_path / "elsewhere")
    assert manifest.read(tmp_path / "saved_models") == {}
