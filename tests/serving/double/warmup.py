"""Warm-up requests, which a server sends to itself: if one fails, loading the version fails."""

import struct

from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

from double.protos import to_array


def warm_up(model, path):
    """Send a loaded model the warm-up requests in its version directory, if there are any."""
    file = path / "assets.extra" / "tf_serving_warmup_requests"
    for record in _split_records(file.read_bytes()) if file.exists() else ():
        request = PredictionLog.FromString(record).predict_log.request
        inputs = {name: to_array(proto) for name, proto in request.inputs.items()}
        model.run(request.model_spec.signature_name, inputs)


def _split_records(content):
    """Yield the records of a TFRecord file; the checksums around them are not verified."""
    start = 0
    while start < len(content):
        (length,) = struct.unpack_from("<Q", content, start)
        yield content[start + 12 : start + 12 + length]
        start += 16 + length
