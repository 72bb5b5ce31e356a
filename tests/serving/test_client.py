"""examples/serving_client.py with a server, and its clients without one."""

import shutil

import keras
import pytest

if keras.backend.backend() != "tensorflow":
    pytest.skip("TensorFlow Serving serves what TensorFlow exports", allow_module_level=True)

from examples import serving_client
from examples.served import GrpcClient, ServerError
from examples.served_rest import RestClient
from keras_attention import export
from keras_attention.export.__main__ import main as run_export
from tests.serving.exported import NAME
from tests.serving.servers import Server


def test_the_example_queries_a_server_measures_it_and_draws_pictures(
    model_server, tmp_path, capsys
):
    measured = serving_client.main(
        model_server.grpc, model_server.rest, quick=True, pictures=tmp_path
    )
    printed = capsys.readouterr().out
    assert "translate_dates: {1: 'AVAILABLE'}" in printed and "INVALID_ARGUMENT" in printed
    assert len(measured) == 4
    for name, ((p50, _, p99), rate) in measured.items():
        assert 0 < p50 <= p99 and rate > 0
        # The line goes on with the percentage of correct dates.
        assert f"{name}: 9" in printed or f"{name}: 100" in printed
    assert (tmp_path / "serving_client.png").read_bytes()[:4] == b"\x89PNG"


def test_the_smoke_test_compares_a_server_with_an_export(versions, base, tmp_path, capsys):
    with Server(tmp_path / "server", {NAME: base}) as server:
        assert run_export(["smoke", server.rest, str(base)]) == 0
        # The second version has other weights; its answers are not those of the served version.
        shutil.copytree(versions[0] / "2", tmp_path / "other" / NAME / "1")
        _, problems = export.smoke(server.rest, tmp_path / "other" / NAME)
        assert "Expected 'liked' as at export. Received: a difference of" in problems[0]
        _, problems = export.smoke(server.rest, versions[0])
        assert "404" in problems[0]  # version 2 is not served
    assert "serving_default: answered in" in capsys.readouterr().out


def test_a_client_without_a_server_raises_an_error():
    client = GrpcClient("127.0.0.1:1", timeout=1)
    with pytest.raises(ServerError, match="DEADLINE_EXCEEDED|UNAVAILABLE"):
        client.states("translate_dates")
    client.close()
    with pytest.raises(ServerError, match="UNAVAILABLE"):
        RestClient("127.0.0.1:1", tries=1).states("translate_dates")
