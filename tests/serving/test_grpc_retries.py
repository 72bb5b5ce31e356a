"""The gRPC client retries requests that a server has not answered, however large they are."""

from concurrent import futures

import grpc
import keras
import numpy as np
import pytest

if keras.backend.backend() != "tensorflow":
    pytest.skip("TensorFlow Serving serves what TensorFlow exports", allow_module_level=True)

from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from examples.served import GrpcClient, ServerError

UNLIMITED = [("grpc.max_receive_message_length", -1)]


class RefusingService(prediction_service_pb2_grpc.PredictionServiceServicer):
    """Refuse a number of requests, and then answer with their inputs."""

    def __init__(self, refusals):
        self.refusals, self.requests = refusals, 0

    def Predict(self, request, context):  # noqa: N802
        self.requests += 1
        if self.requests <= self.refusals:
            context.abort(grpc.StatusCode.UNAVAILABLE, "not yet")
        response = predict_pb2.PredictResponse()
        for name, proto in request.inputs.items():
            response.outputs[name].CopyFrom(proto)
        return response


def send(refusals, inputs):
    """Return the answer, and the number of requests that the server received."""
    service = RefusingService(refusals)
    server = grpc.server(futures.ThreadPoolExecutor(2), options=UNLIMITED)
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(service, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    client = GrpcClient(f"127.0.0.1:{port}", timeout=30)
    try:
        return client.predict("any", inputs).outputs, service.requests
    finally:
        client.close()
        server.stop(grace=None)


@pytest.mark.parametrize("numbers", [1, 80_000, 1_000_000])  # 4 bytes each
def test_a_large_request_is_retried_like_a_small_one(numbers):
    array = np.arange(numbers, dtype="float32")
    outputs, count = send(2, {"x": array})
    assert count == 3
    np.testing.assert_array_equal(outputs["x"], array)


def test_the_error_is_raised_after_the_last_retry():
    with pytest.raises(ServerError, match="UNAVAILABLE: not yet") as refusal:
        send(100, {"x": [1.0]})
    assert refusal.value.code == "UNAVAILABLE"


@pytest.mark.parametrize("text", [b"a\0", b"\xff\xfe", "日".encode()])
def test_strings_are_returned_unchanged(text):
    for texts in ([[text, b""]], np.array([[text, b""]], object)):
        outputs, _ = send(0, {"text": texts})
        assert outputs["text"].tolist() == [[text, b""]]
