"""The clients with TLS and credentials: certificates are checked, tokens are sent."""

import concurrent.futures
import json
import shutil
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import keras
import pytest

if keras.backend.backend() != "tensorflow":
    pytest.skip("TensorFlow Serving serves what TensorFlow exports", allow_module_level=True)
if not shutil.which("openssl"):
    pytest.skip("needs openssl, to make certificates", allow_module_level=True)

import grpc
from tensorflow_serving.apis import get_model_status_pb2, model_service_pb2_grpc

from examples.served import GrpcClient, ServerError
from examples.served_rest import RestClient

TOKEN = "Bearer secret"
STATES = {1: "AVAILABLE"}


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """The files of a certificate for localhost and of its key."""
    folder = tmp_path_factory.mktemp("certificate")
    files = folder / "certificate.pem", folder / "key.pem"
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost"
    names = ["-addext", "subjectAltName=DNS:localhost"]
    subprocess.run(
        [*command.split(), *names, "-out", files[0], "-keyout", files[1]],
        check=True,
        capture_output=True,
    )
    return files


@pytest.fixture
def grpc_address(certificate):
    """A gRPC server that reports the state of a model to clients with the token."""

    class ModelService(model_service_pb2_grpc.ModelServiceServicer):
        def GetModelStatus(self, request, context):  # noqa: N802
            if ("authorization", TOKEN) not in context.invocation_metadata():
                context.abort(grpc.StatusCode.UNAUTHENTICATED, "no token")
            state = get_model_status_pb2.ModelVersionStatus(version=1, state="AVAILABLE")
            return get_model_status_pb2.GetModelStatusResponse(model_version_status=[state])

    server = grpc.server(concurrent.futures.ThreadPoolExecutor(2))
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(ModelService(), server)
    chain, key = (file.read_bytes() for file in certificate)
    credentials = grpc.ssl_server_credentials([(key, chain)])
    port = server.add_secure_port("localhost:0", credentials)
    server.start()
    yield f"localhost:{port}"
    server.stop(grace=0).wait()


@pytest.fixture
def rest_address(certificate):
    """A REST server that reports the state of a model to clients with the token."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):  # noqa: N802
            is_allowed = self.headers["Authorization"] == TOKEN
            state = {"version": "1", "state": "AVAILABLE"}
            answer = {"model_version_status": [state]} if is_allowed else {"error": "no token"}
            content = json.dumps(answer).encode()
            self.send_response(200 if is_allowed else 401)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("localhost", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"https://localhost:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_grpc_sends_a_token_over_tls(grpc_address, certificate):
    credentials = grpc.ssl_channel_credentials(certificate[0].read_bytes())
    for metadata, is_allowed in (([("authorization", TOKEN)], True), ([], False)):
        client = GrpcClient(grpc_address, credentials=credentials, metadata=metadata)
        if is_allowed:
            assert client.states("any") == STATES
        else:
            with pytest.raises(ServerError, match="UNAUTHENTICATED: no token"):
                client.states("any")
        client.close()


def test_grpc_refuses_a_certificate_that_it_does_not_trust(grpc_address):
    metadata = [("authorization", TOKEN)]
    client = GrpcClient(grpc_address, 2, grpc.ssl_channel_credentials(), metadata)
    with pytest.raises(ServerError, match="DEADLINE_EXCEEDED|UNAVAILABLE"):
        client.states("any")
    client.close()


def test_rest_sends_a_token_over_tls(rest_address, certificate):
    client = RestClient(rest_address, headers={"Authorization": TOKEN}, verify=str(certificate[0]))
    assert client.states("any") == STATES
    client.close()
    client = RestClient(rest_address, verify=str(certificate[0]))
    with pytest.raises(ServerError, match="401: no token"):
        client.states("any")
    client.close()


def test_rest_refuses_a_certificate_that_it_does_not_trust(rest_address):
    client = RestClient(rest_address, tries=1, headers={"Authorization": TOKEN})
    with pytest.raises(ServerError, match="CERTIFICATE_VERIFY_FAILED"):
        client.states("any")
    client.close()
