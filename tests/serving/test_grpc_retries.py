"""The gRPC client sends anew what a server had not answered, however long the request is."""

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


class Unwilling(prediction_service_pb2_grpc.PredictionServiceServicer):
    """Refuses so many requests, and then answers with their inputs."""

    def __init__(self, refusals):
        self.refusals, self.asked = refusals, 0

    def Predict(self, request, context):  # noqa: N802
        self.asked += 1
        if self.asked <= self.refusals:
            context.abort(grpc.StatusCode.UNAVAILABLE, "not yet")
        response = predict_pb2.PredictResponse()
        for name, proto in request.inputs.items():
            response.outputs[name].CopyFrom(proto)
        return response


def ask(refusals, inputs):
    """The answer, and how often the server was asked."""
    unwilling = Unwilling(refusals)
    server = grpc.server(futures.ThreadPoolExecutor(2), options=UNLIMITED)
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(unwilling, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    client = GrpcClient(f"127.0.0.1:{port}", timeout=30)
    try:
        return client.predict("any", inputs).outputs, unwilling.asked
    finally:
        client.close()
        server.stop(grace=None)


@pytest.mark.parametrize("numbers", [1, 80_000, 1_000_000])  # 4 bytes each
def test_a_long_request_is_sent_anew_like_a_short_one(numbers):
    given = np.arange(numbers, dtype="float32")
    outputs, asked = ask(2, {"x": given})
    assert asked == 3
    np.testing.assert_array_equal(outputs["x"], given)


def test_who_is_refused_again_and_again_is_told():
    with pytest.raises(ServerError, match="UNAVAILABLE: not yet") as refused:
        ask(100, {"x": [1.0]})
    assert refused.value.code == "UNAVAILABLE"


@pytest.mark.parametrize("text", [b"a\0", b"\xff\xfe", "日".encode()])
def test_strings_come_back_as_they_were_sent(text):
    for given in ([[text, b""]], np.array([[text, b""]], object)):
        outputs, _ = ask(0, {"text": given})
        assert outputs["text"].tolist() == [[text, b""]]
