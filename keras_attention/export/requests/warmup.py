"""Warm-up requests, which TensorFlow Serving runs before it accepts requests of clients."""

import os
from pathlib import Path

import numpy as np

from keras_attention.export.requests.call import Call
from keras_attention.export.signatures.signature import DEFAULT_SIGNATURE

FILE = Path("assets.extra") / "tf_serving_warmup_requests"
MAX_GENERATED_ELEMENTS = 2**12  # A generated array with more is replaced by a repeated number.
MAX_REQUESTS = 1000  # TensorFlow Serving rejects a file with more requests.


def write_warmup_requests(path: Path, name: str, calls: list[Call]) -> None:
    """Write one warm-up request for each call.

    Without warm-up, the first clients would wait while the graph is optimized.

    Args:
        path: The version directory.
        name: The served model's name.
        calls: List of `Call`.
    """
    import tensorflow as tf

    if len(calls) > MAX_REQUESTS:
        raise ValueError(
            f"Expected at most {MAX_REQUESTS} pairs of a signature and an example, which is "
            f"TensorFlow Serving's limit for warm-up requests. Received: {len(calls)}"
        )
    file = path / FILE
    file.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(file)) as records:
        for call in calls:
            # Otherwise the order of the inputs would be different in each process.
            records.write(_make_log(name, call).SerializeToString(deterministic=True))


def load_warmup_requests(path: str | os.PathLike) -> list[tuple[str, dict[str, np.ndarray]]]:
    """Load a version's warm-up requests for the Predict API; without a file, there are none.

    Args:
        path: The version directory.

    Returns:
        List of `(signature, inputs)`.

    Raises:
        ValueError: If the file is truncated or damaged.
    """
    import tensorflow as tf
    from google.protobuf.message import DecodeError
    from tensorflow_serving.apis import prediction_log_pb2

    file, calls = Path(path) / FILE, []
    try:
        for record in tf.data.TFRecordDataset(str(file)) if file.exists() else ():
            log = prediction_log_pb2.PredictionLog.FromString(record.numpy())
            if not log.HasField("predict_log"):  # a request for another API, such as Classify
                continue
            request = log.predict_log.request
            inputs = {key: tf.make_ndarray(proto) for key, proto in request.inputs.items()}
            calls.append((request.model_spec.signature_name or DEFAULT_SIGNATURE, inputs))
    except (tf.errors.DataLossError, DecodeError) as error:
        raise ValueError(
            f"Expected a file of warm-up requests. Received: {file}, which is damaged"
        ) from error
    return calls


def _make_log(name: str, call: Call):
    """Return a PredictionLog with the request of one call."""
    import tensorflow as tf
    from tensorflow_serving.apis import prediction_log_pb2

    log = prediction_log_pb2.PredictionLog()
    request = log.predict_log.request
    request.model_spec.name = name
    request.model_spec.signature_name = call.signature.name
    for spec in call.signature.specs:
        array = call.inputs[spec.name]
        if call.is_generated and array.size > MAX_GENERATED_ELEMENTS:
            # A tensor of one number and a shape takes few bytes.
            proto = tf.make_tensor_proto(array.flat[0], spec.dtype, array.shape)
        else:
            proto = tf.make_tensor_proto(array, spec.dtype)
        request.inputs[spec.name].CopyFrom(proto)
    return log
