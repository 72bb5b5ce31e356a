"""PredictionService and ModelService, with their official stubs."""

import functools
from concurrent import futures

import grpc
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from double.predict import list_signatures, predict
from double.protos import to_array, to_proto
from double.refusal import Refusal

CODES = {code.value[0]: code for code in grpc.StatusCode}
UNLIMITED = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


def start(models, port):
    """Start a server on the loopback interface, and return it."""
    options = [*UNLIMITED, ("grpc.so_reuseport", 0)]
    server = grpc.server(futures.ThreadPoolExecutor(16), options=options)
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
        PredictionService(models), server
    )
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(ModelService(models), server)
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    return server


def _send_refusals(method):
    """Decorate a method so that a `Refusal` goes to the client, with its code."""

    @functools.wraps(method)
    def answer(self, request, context):
        try:
            return method(self, request)
        except Refusal as error:
            context.abort(CODES[error.code], str(error))

    return answer


class PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):
    def __init__(self, models):
        self.models = models

    @_send_refusals
    def Predict(self, request):  # noqa: N802
        spec = request.model_spec
        inputs = {name: to_array(proto) for name, proto in request.inputs.items()}
        answer = predict(self.models, spec, inputs, request.output_filter)
        version, signature, outputs = answer
        response = predict_pb2.PredictResponse()
        response.model_spec.name = spec.name
        response.model_spec.version.value = version
        response.model_spec.signature_name = signature
        for name, array in outputs.items():
            response.outputs[name].CopyFrom(to_proto(array))
        return response

    @_send_refusals
    def GetModelMetadata(self, request):  # noqa: N802
        version, loaded = self.models.find(request.model_spec)
        metadata = get_model_metadata_pb2.SignatureDefMap()
        for name, signature in list_signatures(loaded).items():
            metadata.signature_def[name].CopyFrom(signature)
        response = get_model_metadata_pb2.GetModelMetadataResponse()
        response.model_spec.name = request.model_spec.name
        response.model_spec.version.value = version
        response.metadata["signature_def"].Pack(metadata)
        return response


class ModelService(model_service_pb2_grpc.ModelServiceServicer):
    def __init__(self, models):
        self.models = models

    @_send_refusals
    def GetModelStatus(self, request):  # noqa: N802
        states = self.models.states(request.model_spec.name)
        return get_model_status_pb2.GetModelStatusResponse(model_version_status=states)
