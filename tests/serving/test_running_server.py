"""The tests use a server that is already running if the environment gives its addresses."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import keras
import pytest

if keras.backend.backend() != "tensorflow":
    pytest.skip("TensorFlow Serving serves what TensorFlow exports", allow_module_level=True)

from examples.served import GrpcClient, ServerError
from examples.served_rest import RestClient
from tests.serving import servers

ROOT = Path(__file__).parents[2]
ANY_SERVER = "tests/serving/test_protocols.py::test_clients_can_query_the_signatures"
OWN_SERVER = (
    "tests/serving/test_faults.py::test_a_broken_version_is_refused_and_the_old_one_is_served"
)


def test_the_running_server_answers_and_no_other_is_started(model_server):
    addresses = {
        "TENSORFLOW_SERVING_GRPC": model_server.grpc,
        "TENSORFLOW_SERVING_REST": model_server.rest,
    }
    command = [sys.executable, "-m", "pytest", "-q", ANY_SERVER, OWN_SERVER]
    printed = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **addresses}, capture_output=True, text=True
    ).stdout
    assert "1 passed, 1 skipped" in printed, printed
    assert f"the one at {model_server.grpc} is left unchanged" in printed, printed


def test_versions_that_an_example_wrote_are_not_served(tmp_path, monkeypatch):
    versions = tmp_path / "saved_models" / "ntm_copy"
    for version in ("1", "2"):
        shutil.copytree(servers.find_published("ntm_copy"), versions / version)
    monkeypatch.setattr(servers, "SAVED_MODELS", versions.parent)
    monkeypatch.setattr(servers, "PUBLISHED", {"ntm_copy": 1})
    monkeypatch.setattr(servers, "RUNNING", [None, None])
    with servers.open_published_server(tmp_path) as server:
        client = GrpcClient(server.grpc)
        assert client.states("ntm_copy") == {1: "AVAILABLE"}
        client.close()


def test_addresses_in_the_environment_are_used(model_server, tmp_path, monkeypatch):
    monkeypatch.setattr(servers, "RUNNING", [model_server.grpc, "127.0.0.1:1"])
    with servers.open_published_server(tmp_path) as server:
        assert (server.grpc, server.rest) == (model_server.grpc, "127.0.0.1:1")
        assert server.models == model_server.models and server.is_running()
        client = RestClient(server.rest, tries=1)
        with pytest.raises(ServerError, match="Connection refused"):
            client.states("pointer_hull")
        client.close()


@pytest.mark.parametrize("addresses", [["127.0.0.1:1", ""], [None, "127.0.0.1:1"]], ids=str)
def test_a_single_address_is_refused(addresses, tmp_path, monkeypatch):
    monkeypatch.setattr(servers, "RUNNING", addresses)
    with pytest.raises(ValueError, match="Expected both TENSORFLOW_SERVING_GRPC and"):
        with servers.open_published_server(tmp_path):
            pass


def test_a_test_that_would_kill_the_server_is_skipped(tmp_path, monkeypatch):
    monkeypatch.setattr(servers, "RUNNING", ["127.0.0.1:1", "127.0.0.1:2"])
    with pytest.raises(pytest.skip.Exception, match="the one at 127.0.0.1:1 is left unchanged"):
        servers.Server(tmp_path, {})
