"""The requests of an export that a server sends to itself: if one fails, so does the loading."""

import struct

from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

from double.protos import to_array


def warm_up(model, path):
    """Sends a loaded model the requests in its version directory, if there are any."""
    file = path / "assets.extra" / "tf_serving_warmup_requests"
    for record in _records(file.read_bytes()) if file.exists() else ():
        request = PredictionLog.FromString(record).predict_log.request
        inputs = {name: to_array(proto) for name, proto in request.inputs.items()}
        model.run(request.model_spec.signature_name, inputs)


def _records(content):
    """The records of a TFRecord file: each between its length and two checksums, not looked at."""
    start = 0
    while start < len(content):
        (length,) = struct.unpack_from("<Q", content, start)
        yield content[start + 12 : start + 12 + length]
        start += 16 + length
