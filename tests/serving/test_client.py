"""examples/serving_client.py against a server, and its client when there is none."""

import keras
import pytest

if keras.backend.backend() != "tensorflow":
    pytest.skip("TensorFlow Serving serves what TensorFlow exports", allow_module_level=True)

from examples import serving_client
from examples.served import GrpcClient, ServerError
from examples.served_rest import RestClient


def test_the_example_asks_measures_and_draws(published, tmp_path, capsys):
    found = serving_client.main(published.grpc, published.rest, quick=True, pictures=tmp_path)
    said = capsys.readouterr().out
    assert "translate_dates: {1: 'AVAILABLE'}" in said and "INVALID_ARGUMENT" in said
    assert len(found) == 4
    for way, ((p50, _, p99), rate) in found.items():
        assert 0 < p50 <= p99 and rate > 0
        assert f"{way}: 9" in said or f"{way}: 100" in said  # percent of the dates right
    assert (tmp_path / "serving_client.png").read_bytes()[:4] == b"\x89PNG"


def test_where_there_is_no_server_the_client_says_so():
    client = GrpcClient("127.0.0.1:1", timeout=1)
    with pytest.raises(ServerError, match="DEADLINE_EXCEEDED|UNAVAILABLE"):
        client.states("translate_dates")
    client.close()
    with pytest.raises(ServerError, match="UNAVAILABLE"):
        RestClient("127.0.0.1:1", tries=1).states("translate_dates")
