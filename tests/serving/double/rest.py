"""TensorFlow Serving's REST protocol."""

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from google.protobuf.json_format import MessageToDict
from tensorflow_serving.apis.model_pb2 import ModelSpec

from double.json_arrays import parse_inputs, to_json
from double.predict import list_signatures, predict
from double.refusal import INVALID, MISSING, Refusal

STATUS = {INVALID: 400, MISSING: 404, 8: 429, 9: 412, 11: 400, 12: 501, 14: 503}
PATH = re.compile(
    r"/v1/models/(?P<name>[^/:]+)(?:/versions/(?P<version>[0-9]+)|/labels/(?P<label>[^/:]+))?"
    r"(?P<action>:predict|/metadata)?"
)


def start(models, port):
    """Start a server on the loopback interface."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):  # noqa: N802
            self._answer(lambda match: _get(models, match))

        def do_POST(self):  # noqa: N802
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self._answer(lambda match: _predict(models, match, body))

        def log_message(self, *_):
            pass

        def _answer(self, handle):
            match = PATH.fullmatch(self.path)
            try:
                if match is None:
                    raise Refusal(INVALID, f"Malformed request: {self.command} {self.path}")
                status, answer = 200, handle(match)
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


def _make_spec(match, signature=""):
    spec = ModelSpec(name=match["name"], signature_name=signature)
    if match["version"]:
        spec.version.value = int(match["version"])
    if match["label"]:
        spec.version_label = match["label"]
    return spec


def _get(models, match):
    if match["action"] == ":predict":
        raise Refusal(INVALID, "Expected POST for :predict")
    if match["action"] is None:
        states = [
            {
                "version": str(state.version),
                "state": type(state).State.Name(state.state),
                "status": {
                    "error_code": str(state.status.error_code) if state.status.error_code else "OK",
                    "error_message": state.status.error_message,
                },
            }
            for state in models.states(match["name"])
        ]
        return {"model_version_status": states}
    version, loaded = models.find(_make_spec(match))
    signatures = {
        name: MessageToDict(signature) for name, signature in list_signatures(loaded).items()
    }
    spec = {"name": match["name"], "signature_name": "", "version": str(version)}
    return {"model_spec": spec, "metadata": {"signature_def": {"signature_def": signatures}}}


def _predict(models, match, body):
    if match["action"] != ":predict":
        raise Refusal(INVALID, "Expected POST to end in :predict")
    try:
        request = json.loads(body)
    except ValueError as error:  # Also raised for text that is not UTF-8.
        raise Refusal(INVALID, f"JSON Parse error: {error}") from error
    if not isinstance(request, dict) or ("instances" in request) == ("inputs" in request):
        raise Refusal(INVALID, "Expected an object with either `instances` or `inputs`")
    name = request.get("signature_name", "serving_default")
    spec = _make_spec(match, name if isinstance(name, str) else "?")
    _, loaded = models.find(spec)
    signature = list_signatures(loaded).get(spec.signature_name)
    if signature is None:
        raise Refusal(INVALID, f"Serving signature name not found: {name}")
    outputs = predict(models, spec, parse_inputs(request, signature))[2]
    return to_json(outputs, by_rows="instances" in request)
