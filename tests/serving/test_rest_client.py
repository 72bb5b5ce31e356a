"""The REST client against servers and proxies of all moods: arrays back, or a `ServerError`."""

import contextlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import keras
import numpy as np
import pytest

if keras.backend.backend() != "tensorflow":
    pytest.skip("TensorFlow Serving serves what TensorFlow exports", allow_module_level=True)

from examples.served import GrpcClient, ServerError
from examples.served_rest import RestClient


@contextlib.contextmanager
def client_of(answer, **given):
    """A client of a server that answers with the status and the bytes of `answer(body)`."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):  # noqa: N802
            status, said = answer(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(status)
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    client = RestClient(f"127.0.0.1:{server.server_port}", **given)
    try:
        yield client
    finally:
        client.close()
        server.shutdown()
        server.server_close()


def echo(body):
    return 200, json.dumps({"outputs": json.loads(body)["inputs"]}).encode()


@pytest.mark.parametrize(
    ("status", "said", "told"),
    [
        (502, b"<html>Bad Gateway</html>", "502: <html>Bad Gateway"),
        (503, b'{"error": "not yet"}', "503: not yet"),
        (500, b'["no object"]', "500: .*no object"),
        (200, b"<html>Welcome</html>", "200: <html>Welcome"),
        (200, b'{"predictions": []}', "200: .*predictions"),
    ],
)
def test_what_is_no_answer_is_a_server_error(status, said, told):
    with client_of(lambda _: (status, said), tries=1) as client:
        with pytest.raises(ServerError, match=told) as refused:
            client.predict("any", {"x": [1]})
    assert refused.value.code == status


def test_a_server_that_is_not_ready_is_asked_again():
    answers = iter([(503, b"{}"), (503, b"{}"), (200, b'{"outputs": [1, 2]}')])
    with client_of(lambda _: next(answers)) as client:
        assert client.predict("any", {"x": [1]}).outputs["output"].tolist() == [1, 2]


@pytest.mark.parametrize("text", [b"a\0", b"\xff\xfe", "日".encode(), b""])
def test_strings_come_back_as_they_were_sent(text):
    with client_of(echo) as client:
        for given in ([[text, b"b"]], np.array([[text, b"b"]], object)):
            found = client.predict("any", {"text": given, "more_bytes": given}).outputs
            for array in found.values():
                assert array.dtype == object and array.tolist() == [[text, b"b"]]
        found = client.predict("any", {"text": b"\xff", "more": [np.float32(0.5)]}).outputs
        assert found["text"].item() == b"\xff" and found["more"] == [0.5]


def test_outputs_that_are_bytes_are_bytes():
    said = b'{"outputs": {"image_bytes": [{"b64": "/wA="}, {"b64": ""}], "name": ["a"]}}'
    with client_of(lambda _: (200, said)) as client:
        found = client.predict("any", {"x": [1]}).outputs
    assert found["image_bytes"].tolist() == [b"\xff\0", b""] and found["name"].tolist() == [b"a"]


def test_numbers_that_are_not_finite_come_back_as_they_were_sent():
    given = np.array([[np.nan, np.inf, -np.inf, 1.5]], "float32")
    with client_of(echo) as client:
        found = client.predict("any", {"x": given, "y": [0]}).outputs["x"]
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, given)


def test_a_server_reads_what_is_sent_in_both_ways(published):
    by_grpc, by_rest = GrpcClient(published.grpc), RestClient(published.rest)
    text = {"text": [b"\xff\xfe 4 Aug 2027", b"4 Aug 2027\0"]}
    one, other = (c.predict("translate_dates", text, "decode").outputs for c in (by_grpc, by_rest))
    np.testing.assert_array_equal(one["date"], other["date"])
    bits = {"sequence": np.full((1, 2, 9), np.nan, "float32")}
    for client in (by_grpc, by_rest):
        with pytest.raises(ServerError, match="finite numbers in `sequence`. Received: NaN"):
            client.predict("ntm_copy", bits)
    by_grpc.close()
    by_rest.close()
