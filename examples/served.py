"""A gRPC client of TensorFlow Serving, and the classes that it shares with the REST client.

    client = GrpcClient("localhost:8500")
    answer = client.predict("translate_dates", {"text": ["4 de agosto de 2027"]}, "decode")
    answer.outputs["date"]  # array([b'2027-08-04'], dtype=object)

Inputs and outputs are arrays. The client waits for a server that is restarting, and repeats
requests that were not answered. This is safe, because a served model keeps no state.
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

# Retry only after errors of the server, because an invalid request would fail again.
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
    # gRPC retries only requests that fit its buffer, which has 256 KiB by default.
    ("grpc.per_rpc_retry_buffer_size", 2**31 - 1),
    ("grpc.service_config", json.dumps({"methodConfig": [{"name": [{}], "retryPolicy": RETRIES}]})),
)


class Answer(NamedTuple):
    """Outputs by name, and the version of the model that computed them (None by REST).

    Strings are bytes objects.
    """

    outputs: dict
    version: int | None = None


class ServerError(Exception):
    """An error of the server. `code` is the name of gRPC's status or the number of REST's.

    By REST, the code is "UNAVAILABLE" if no server has answered at all.
    """

    def __init__(self, code, message):
        super().__init__(f"{code}: {message}")
        self.code = code


class GrpcClient:
    """A client of a server's gRPC port; any number of threads can share it.

    Args:
        address: "host:port". TensorFlow Serving's default port for gRPC is 8500.
        timeout: Seconds that a request may take, including retries and waiting.
        credentials: For TLS: `grpc.ssl_channel_credentials(...)`, with a certificate of the client
            if the server asks for one. None for a connection without TLS.
        metadata: Pairs of texts to send with each request, such as
            `[("authorization", "Bearer ...")]`. Do not send secrets without TLS.
    """

    def __init__(self, address, timeout=60, credentials=None, metadata=()):
        if credentials is None:
            self.channel = grpc.insecure_channel(address, CHANNEL)
        else:
            self.channel = grpc.secure_channel(address, credentials, CHANNEL)
        self.options = {"timeout": timeout, "wait_for_ready": True, "metadata": tuple(metadata)}
        self.prediction = prediction_service_pb2_grpc.PredictionServiceStub(self.channel)
        self.models = model_service_pb2_grpc.ModelServiceStub(self.channel)

    def predict(
        self, model, inputs, signature="serving_default", version=None, outputs=(), label=None
    ):
        """Return the server's `Answer`.

        Args:
            model: The served model's name.
            inputs: Dict of input name to array, or to nested lists, of the signature's dtypes.
            signature: Name of the signature.
            version: Number of the version; None for the newest one that is served.
            outputs: Names of the outputs to return; empty for all.
            label: Label of the version, such as "stable", instead of its number.

        Raises:
            ServerError: With the code of gRPC, such as "INVALID_ARGUMENT".
        """
        check_version_or_label(version, label)
        request = predict_pb2.PredictRequest(output_filter=outputs)
        request.model_spec.name, request.model_spec.signature_name = model, signature
        if version is not None:
            request.model_spec.version.value = version
        if label is not None:
            request.model_spec.version_label = label
        for name, value in inputs.items():
            request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
        response = self._send(self.prediction.Predict, request)
        arrays = {name: tf.make_ndarray(proto) for name, proto in response.outputs.items()}
        return Answer(arrays, response.model_spec.version.value)

    def states(self, model):
        """Return the state of each version of a model, such as `{1: "AVAILABLE"}`."""
        request = get_model_status_pb2.GetModelStatusRequest()
        request.model_spec.name = model
        statuses = self._send(self.models.GetModelStatus, request).model_version_status
        return {status.version: type(status).State.Name(status.state) for status in statuses}

    def signatures(self, model):
        """Return the model's SignatureDefs by name."""
        request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
        request.model_spec.name = model
        signatures = get_model_metadata_pb2.SignatureDefMap()
        answer = self._send(self.prediction.GetModelMetadata, request)
        answer.metadata["signature_def"].Unpack(signatures)
        return dict(signatures.signature_def)

    def close(self):
        """Close the connection."""
        self.channel.close()

    def _send(self, method, request):
        try:
            return method(request, **self.options)
        except grpc.RpcError as error:
            raise ServerError(error.code().name, error.details()) from error


def check_version_or_label(version, label):
    """Raise an error if a request names both a version and a label."""
    if version is not None and label is not None:
        raise ValueError(
            f"Expected a version or a label. Received: version={version!r}, label={label!r}"
        )
