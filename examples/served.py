"""A client of TensorFlow Serving by gRPC, and what it shares with the one by REST.

    client = GrpcClient("localhost:8500")
    answer = client.predict("translate_dates", {"text": ["4 de agosto de 2027"]}, "decode")
    answer.outputs["date"]  # array([b'2027-08-04'], dtype=object)

Arrays go in, arrays come out. It waits for a server that is starting again, and sends anew what it
had not answered: a request to a model that keeps no state may be answered twice.
"""

import json
from typing import NamedTuple

import grpc
import tensorflow as tf
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

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
    # gRPC tries again what it has kept, and of a request it keeps 256 KiB unless told otherwise.
    ("grpc.per_rpc_retry_buffer_size", 2**31 - 1),
    ("grpc.service_config", json.dumps({"methodConfig": [{"name": [{}], "retryPolicy": RETRIES}]})),
)


class Answer(NamedTuple):
    """Outputs by name, strings as objects of bytes; by gRPC also the version that gave them."""

    outputs: dict
    version: int | None = None


class ServerError(Exception):
    """What came in place of outputs; `code` is gRPC's name or REST's number.

    By REST it is "UNAVAILABLE" where no server has answered at all.
    """

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

    def predict(
        self, model, inputs, signature="serving_default", version=None, outputs=(), label=None
    ):
        """The server's `Answer`.

        Args:
            model: The served model's name.
            inputs: Dict of input name to array, or to nested lists, of the signature's dtypes.
            signature: Its name.
            version: Its number; None = the newest that is served.
            outputs: Names of the outputs to send; none = all.
            label: The version's label, such as "stable", in place of its number.

        Raises:
            ServerError: With the code of gRPC, such as "INVALID_ARGUMENT".
        """
        refuse_both(version, label)
        request = predict_pb2.PredictRequest(output_filter=outputs)
        request.model_spec.name, request.model_spec.signature_name = model, signature
        if version is not None:
            request.model_spec.version.value = version
        if label is not None:
            request.model_spec.version_label = label
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


def refuse_both(version, label):
    """A request is to one version, by its number or by its label."""
    if version is not None and label is not None:
        raise ValueError(
            f"Expected a version or a label. Received: version={version!r}, label={label!r}"
        )
