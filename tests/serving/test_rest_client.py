"""The REST client with various servers and proxies: it returns arrays or raises `ServerError`."""

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
def open_client(answer, missing_bytes=lambda: 0, **options):
    """Open a client of a server that sends the status and the bytes of `answer(body)`.

    The server closes the connection after an answer that lacks `missing_bytes()` bytes.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):  # noqa: N802
            status, content = answer(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(status)
            self.send_header("Content-Length", str(len(content) + missing_bytes()))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    client = RestClient(f"127.0.0.1:{server.server_port}", **options)
    try:
        yield client
    finally:
        client.close()
        server.shutdown()
        server.server_close()


def echo(body):
    return 200, json.dumps({"outputs": json.loads(body)["inputs"]}).encode()


@pytest.mark.parametrize(
    ("status", "content", "message"),
    [
        (502, b"<html>Bad Gateway</html>", "502: <html>Bad Gateway"),
        (503, b'{"error": "not yet"}', "503: not yet"),
        (500, b'["no object"]', "500: .*no object"),
        (200, b"<html>Welcome</html>", "200: <html>Welcome"),
        (200, b'{"predictions": []}', "200: .*predictions"),
    ],
)
def test_any_other_response_raises_a_server_error(status, content, message):
    with open_client(lambda _: (status, content), tries=1) as client:
        with pytest.raises(ServerError, match=message) as error:
            client.predict("any", {"x": [1]})
    assert error.value.code == status


def test_a_request_to_a_server_that_is_not_ready_is_retried():
    answers = iter([(503, b"{}"), (503, b"{}"), (200, b'{"outputs": [1, 2]}')])
    with open_client(lambda _: next(answers)) as client:
        assert client.predict("any", {"x": [1]}).outputs["output"].tolist() == [1, 2]


def test_a_request_whose_answer_breaks_off_is_retried():
    missing_bytes = iter([5, 5, 0])
    with open_client(echo, missing_bytes=lambda: next(missing_bytes), tries=2) as client:
        assert client.predict("any", {"x": [1]}).outputs["x"].tolist() == [1]


def test_an_answer_that_always_breaks_off_raises_a_server_error():
    with open_client(echo, missing_bytes=lambda: 5, tries=1) as client:
        with pytest.raises(ServerError, match="UNAVAILABLE"):
            client.predict("any", {"x": [1]})


@pytest.mark.parametrize("text", [b"a\0", b"\xff\xfe", "日".encode(), b""])
def test_strings_are_returned_unchanged(text):
    with open_client(echo) as client:
        for texts in ([[text, b"b"]], np.array([[text, b"b"]], object)):
            outputs = client.predict("any", {"text": texts, "text_bytes": texts}).outputs
            for array in outputs.values():
                assert array.dtype == object and array.tolist() == [[text, b"b"]]
        outputs = client.predict("any", {"text": b"\xff", "number": [np.float32(0.5)]}).outputs
        assert outputs["text"].item() == b"\xff" and outputs["number"] == [0.5]


def test_outputs_in_base64_are_decoded():
    content = b'{"outputs": {"image_bytes": [{"b64": "/wA="}, {"b64": ""}], "name": ["a"]}}'
    with open_client(lambda _: (200, content)) as client:
        outputs = client.predict("any", {"x": [1]}).outputs
    assert outputs["image_bytes"].tolist() == [b"\xff\0", b""] and outputs["name"].tolist() == [
        b"a"
    ]


def test_nan_and_infinity_are_returned_unchanged():
    array = np.array([[np.nan, np.inf, -np.inf, 1.5]], "float32")
    with open_client(echo) as client:
        returned = client.predict("any", {"x": array, "y": [0]}).outputs["x"]
    assert returned.dtype == np.float32
    np.testing.assert_array_equal(returned, array)


def test_a_server_gives_the_same_answers_by_both_protocols(model_server):
    by_grpc, by_rest = GrpcClient(model_server.grpc), RestClient(model_server.rest)
    text = {"text": [b"\xff\xfe 4 Aug 2027", b"4 Aug 2027\0"]}
    dates = [
        client.predict("translate_dates", text, "decode").outputs["date"]
        for client in (by_grpc, by_rest)
    ]
    np.testing.assert_array_equal(*dates)
    bits = {"sequence": np.full((1, 2, 9), np.nan, "float32")}
    for client in (by_grpc, by_rest):
        with pytest.raises(ServerError, match="finite numbers in `sequence`. Received: NaN"):
            client.predict("ntm_copy", bits)
    by_grpc.close()
    by_rest.close()
