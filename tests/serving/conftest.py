"""Fixtures: one server for all tests of the published models, and a small model in two versions."""

import shutil

import pytest

collect_ignore = ["double", "triton/client.py"]  # programs that are run by their paths


@pytest.fixture(scope="session")
def model_server(tmp_path_factory):
    """A `Server` of everything in saved_models, or the running one that the environment names."""
    from tests.serving.servers import open_published_server

    with open_published_server(tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture(scope="session")
def versions(tmp_path_factory):
    """A model's directory with versions 1 and 2, and requests with the answers of each version."""
    from tests.serving.exported import NAME, export_versions

    folder = tmp_path_factory.mktemp("versions")
    return folder / NAME, export_versions(folder, 2)


@pytest.fixture
def base(versions, tmp_path):
    """A model's directory with version 1 only."""
    base = tmp_path / versions[0].name
    shutil.copytree(versions[0] / "1", base / "1")
    return base
