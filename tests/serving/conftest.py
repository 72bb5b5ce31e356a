"""One server for all tests that ask the published models, and what they share."""

import shutil

import pytest

collect_ignore = ["double"]  # a program of its own, which is run by its path


@pytest.fixture(scope="session")
def published(tmp_path_factory):
    """A `Server` of everything in saved_models, or the one that the environment names."""
    from examples import manifest
    from tests.serving.servers import RUNNING, SAVED_MODELS, RunningServer, Server

    models = {name: SAVED_MODELS / name for name in manifest.read(SAVED_MODELS)}
    if any(RUNNING):
        yield RunningServer(models)
        return
    with Server(tmp_path_factory.mktemp("server"), models) as server:
        yield server


@pytest.fixture(scope="session")
def versions(tmp_path_factory):
    """A directory with versions 1 and 2 of a model, and requests with what each answers."""
    from tests.serving.exported import NAME, export_versions

    folder = tmp_path_factory.mktemp("versions")
    return folder / NAME, export_versions(folder, 2)


@pytest.fixture
def base(versions, tmp_path):
    """A directory with version 1 alone."""
    base = tmp_path / versions[0].name
    shutil.copytree(versions[0] / "1", base / "1")
    return base
