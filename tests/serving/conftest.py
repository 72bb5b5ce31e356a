"""One server for all tests that ask the published models, and what they share."""

import pytest

collect_ignore = ["double"]  # a program of its own, which is run by its path


@pytest.fixture(scope="session")
def published(tmp_path_factory):
    """A `Server` of everything in saved_models."""
    from examples import manifest
    from tests.serving.servers import SAVED_MODELS, Server

    models = {name: SAVED_MODELS / name for name in manifest.read(SAVED_MODELS)}
    with Server(tmp_path_factory.mktemp("server"), models) as server:
        yield server
