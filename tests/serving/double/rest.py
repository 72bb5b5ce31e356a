"""TensorFlow Serving's REST protocol."""

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from google.protobuf.json_format import MessageToDict
from tensorflow_serving.apis.model_pb2 import ModelSpec

from double.json_arrays import inputs_of, to_json
from double.predict import predict, signatures
from double.refusal import INVALID, MISSING, Refusal

STATUS = {INVALID: 400, MISSING: 404, 8: 429, 9: 412, 11: 400, 12: 501, 14: 503}
PLACE = re.compile(
    r"/v1/models/(?P<name>[^/:]+)(?:/versions/(?P<version>[0-9]+)|/labels/(?P<label>[^/:]+))?"
    r"(?P<what>:predict|/metadata)?"
)


def start(models, port):
    """Starts a server on the loopback interface."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):  # noqa: N802
            self._answer(lambda place: _get(models, place))

        def do_POST(self):  # noqa: N802
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self._answer(lambda place: _predict(models, place, body))

        def log_message(self, *_):
            pass

        def _answer(self, found):
            place = PLACE.fullmatch(self.path)
            try:
                if place is None:
                    raise Refusal(INVALID, f"Malformed request: {self.command} {self.path}")
                status, answer = 200, found(place)
            except Refusal as error:
                status, answer = STATUS.get(error.code, 500), {"error": str(error)}
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()


def _spec(place, signature=""):
    spec = ModelSpec(name=place["name"], signature_name=signature)
    if place["version"]:
        spec.version.value = int(place["version"])
    if place["label"]:
        spec.version_label = place["label"]
    return spec


def _get(models, place):
    if place["what"] == ":predict":
        raise Refusal(INVALID, "Expected POST for :predict")
    if place["what"] is None:
        states = [
            {
                "version": str(state.version),
                "state": type(state).State.Name(state.state),
                "status": {
                    "error_code": str(state.status.error_code) if state.status.error_code else "OK",
                    "error_message": state.status.error_message,
                },
            }
            for state in models.states(place["name"])
        ]
        return {"model_version_status": states}
    version, loaded = models.find(_spec(place))
    found = {name: MessageToDict(one) for name, one in signatures(loaded).items()}
    spec = {"name": place["name"], "signature_name": "", "version": str(version)}
    return {"model_spec": spec, "metadata": {"signature_def": {"signature_def": found}}}


def _predict(models, place, body):
    if place["what"] != ":predict":
        raise Refusal(INVALID, "Expected POST to end in :predict")
    try:
        asked = json.loads(body)
    except ValueError as error:  # JSON's, and that of text that is not UTF-8
        raise Refusal(INVALID, f"JSON Parse error: {error}") from error
    if not isinstance(asked, dict) or ("instances" in asked) == ("inputs" in asked):
        raise Refusal(INVALID, "Expected an object with either `instances` or `inputs`")
    name = asked.get("signature_name", "serving_default")
    spec = _spec(place, name if isinstance(name, str) else "?")
    _, loaded = models.find(spec)
    signature = signatures(loaded).get(spec.signature_name)
    if signature is None:
        raise Refusal(INVALID, f"Serving signature name not found: {name}")
    outputs = predict(models, spec, inputs_of(asked, signature))[2]
    return to_json(outputs, is_row="instances" in asked)
