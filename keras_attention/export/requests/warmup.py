"""Requests that TensorFlow Serving sends to itself before it takes others."""

from pathlib import Path

from keras_attention.export.signatures.signature import DEFAULT

FILE = Path("assets.extra") / "tf_serving_warmup_requests"
MOST = 1000  # TensorFlow Serving refuses a file with more


def write(path, name, calls):
    """Writes one warm-up request for each call.

    Without them the first clients wait while the graph is optimized.

    Args:
        path: The version directory.
        name: The served model's name.
        calls: List of `Call`.
    """
    import tensorflow as tf

    if len(calls) > MOST:
        raise ValueError(
            f"Expected at most {MOST} pairs of a signature and an example, the most that "
            f"TensorFlow Serving warms up with. Received: {len(calls)}"
        )
    file = path / FILE
    file.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(file)) as records:
        for call in calls:
            records.write(_log(name, call).SerializeToString())


def read(path):
    """The predict requests of a version directory, as `(signature, inputs)`; none without a file.

    Raises:
        ValueError: If the file cannot be read.
    """
    import tensorflow as tf
    from google.protobuf.message import DecodeError
    from tensorflow_serving.apis import prediction_log_pb2

    file, calls = Path(path) / FILE, []
    try:
        for record in tf.data.TFRecordDataset(str(file)) if file.exists() else ():
            log = prediction_log_pb2.PredictionLog.FromString(record.numpy())
            if not log.HasField("predict_log"):  # to classify, say, which is asked in other ways
                continue
            request = log.predict_log.request
            inputs = {key: tf.make_ndarray(proto) for key, proto in request.inputs.items()}
            calls.append((request.model_spec.signature_name or DEFAULT, inputs))
    except (tf.errors.DataLossError, DecodeError) as error:
        raise ValueError(f"Expected warm-up requests. Received: {file}, not whole") from error
    return calls


def _log(name, call):
    """A PredictionLog with the request of one call."""
    import tensorflow as tf
    from tensorflow_serving.apis import prediction_log_pb2

    log = prediction_log_pb2.PredictionLog()
    request = log.predict_log.request
    request.model_spec.name = name
    request.model_spec.signature_name = call.signature.name
    for spec in call.signature.specs:
        proto = tf.make_tensor_proto(call.inputs[spec.name], spec.dtype)
        request.inputs[spec.name].CopyFrom(proto)
    return log
