"""A client of TensorFlow Serving, by gRPC or by REST: arrays in, arrays out.

    client = GrpcClient("localhost:8500")
    answer = client.predict("translate_dates", {"text": ["4 de agosto de 2027"]}, "decode")
    answer.outputs["date"]  # array([b'2027-08-04'], dtype=object)

Both wait for a server that is starting again, and send anew what it had not answered: a request to
a model that keeps no state may be answered twice.
"""

import json
from typing import NamedTuple

import grpc
import numpy as np
import requests
import tensorflow as tf
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)
from urllib3.util import Retry

# Codes of errors that are the server's and not the request's: worth another try.
RETRIES = {
    "maxAttempts": 5,
    "initialBackoff": "0.2s",
    "maxBackoff": "5s",
    "backoffMultiplier": 3,
    "retryableStatusCodes": ["UNAVAILABLE"],
}
CHANNEL = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.max_reconnect_backoff_ms", 2000),
    ("grpc.service_config", json.dumps({"methodConfig": [{"name": [{}], "retryPolicy": RETRIES}]})),
)


class Answer(NamedTuple):
    """Outputs by name, strings as objects of bytes; by gRPC also the version that gave them."""

    outputs: dict
    version: int | None = None


class ServerError(Exception):
    """What a server answered in place of outputs; `code` is gRPC's name or REST's number."""

    def __init__(self, code, message):
        super().__init__(f"{code}: {message}")
        self.code = code


class GrpcClient:
    """Asks a server's gRPC port; one client serves any number of threads.

    Args:
        address: "host:port"; TensorFlow Serving's is 8500.
        timeout: Seconds that a request may take, tries and waiting together.
    """

    def __init__(self, address, timeout=60):
        self.channel = grpc.insecure_channel(address, CHANNEL)
        self.given = {"timeout": timeout, "wait_for_ready": True}
        self.prediction = prediction_service_pb2_grpc.PredictionServiceStub(self.channel)
        self.models = model_service_pb2_grpc.ModelServiceStub(self.channel)

    def predict(self, model, inputs, signature="serving_default", version=None, outputs=()):
        """The server's `Answer`.

        Args:
            model: The served model's name.
            inputs: Dict of input name to array, or to nested lists, of the signature's dtypes.
            signature: Its name.
            version: Its number; None = the newest that is served.
            outputs: Names of the outputs to send; none = all.

        Raises:
            ServerError: With the code of gRPC, such as "INVALID_ARGUMENT".
        """
        request = predict_pb2.PredictRequest(output_filter=outputs)
        request.model_spec.name, request.model_spec.signature_name = model, signature
        if version is not None:
            request.model_spec.version.value = version
        for name, value in inputs.items():
            request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
        response = self._send(self.prediction.Predict, request)
        found = {name: tf.make_ndarray(proto) for name, proto in response.outputs.items()}
        return Answer(found, response.model_spec.version.value)

    def states(self, model):
        """What the server says of a model's versions: `{1: "AVAILABLE"}`."""
        request = get_model_status_pb2.GetModelStatusRequest()
        request.model_spec.name = model
        found = self._send(self.models.GetModelStatus, request).model_version_status
        return {one.version: type(one).State.Name(one.state) for one in found}

    def signatures(self, model):
        """The model's SignatureDefs by name."""
        request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
        request.model_spec.name = model
        found = get_model_metadata_pb2.SignatureDefMap()
        answer = self._send(self.prediction.GetModelMetadata, request)
        answer.metadata["signature_def"].Unpack(found)
        return dict(found.signature_def)

    def close(self):
        """Ends the connection."""
        self.channel.close()

    def _send(self, method, request):
        try:
            return method(request, **self.given)
        except grpc.RpcError as error:
            raise ServerError(error.code().name, error.details()) from error


class RestClient:
    """Asks a server's REST port; a client for each thread.

    Args:
        address: "host:port"; TensorFlow Serving's is 8501.
        timeout: Seconds that a try may take.
        tries: How often to try, with growing pauses: six wait half a minute for a server.
    """

    def __init__(self, address, timeout=60, tries=6):
        self.place, self.timeout = f"http://{address}/v1/models", timeout
        self.session = requests.Session()
        again = Retry(total=tries, backoff_factor=0.5, status_forcelist=[503], allowed_methods=None)
        self.session.mount("http://", requests.adapters.HTTPAdapter(max_retries=again))

    def predict(self, model, inputs, signature="serving_default", version=None):
        """The server's `Answer`, as `GrpcClient.predict`, by columns.

        The only output of a signature that has no other is called `output`: REST gives no name.
        """
        columns = {name: _to_json(value) for name, value in inputs.items()}
        body = {"signature_name": signature, "inputs": columns}
        numbered = "" if version is None else f"/versions/{version}"
        address = f"{self.place}/{model}{numbered}:predict"
        found = self._read(self.session.post(address, json=body, timeout=self.timeout))["outputs"]
        found = found if isinstance(found, dict) else {"output": found}
        return Answer({name: _from_json(value) for name, value in found.items()})

    def states(self, model):
        """What the server says of a model's versions: `{1: "AVAILABLE"}`."""
        answer = self._read(self.session.get(f"{self.place}/{model}", timeout=self.timeout))
        return {int(one["version"]): one["state"] for one in answer["model_version_status"]}

    def close(self):
        """Ends the connection."""
        self.session.close()

    def _read(self, response):
        answer = response.json()
        if response.status_code != 200:
            raise ServerError(response.status_code, answer["error"])
        return answer


def _to_json(value):
    """Nested lists, bytes as text."""
    value = value.tolist() if isinstance(value, np.ndarray) else value
    if isinstance(value, list | tuple):
        return [_to_json(one) for one in value]
    return value.decode() if isinstance(value, bytes) else value


def _from_json(value):
    """An array, text as bytes, fractions as float32: the precision that they were sent in."""
    array = np.array(value)
    if array.dtype.kind == "U":
        array = np.array([one.encode() for one in array.flat] + [None], object)[:-1]
        return array.reshape(np.shape(value))
    return array.astype("float32") if array.dtype == np.float64 else array
