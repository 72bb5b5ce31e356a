"""Warm-up requests, which are written for every signature and example."""

import keras
import numpy as np

from keras_attention import export
from keras_attention.export.checks.fresh_process import run_calls
from keras_attention.export.requests import warmup


def load_requests(path):
    import tensorflow as tf
    from tensorflow_serving.apis import prediction_log_pb2

    file = path / "assets.extra" / "tf_serving_warmup_requests"
    for record in tf.data.TFRecordDataset(str(file)).as_numpy_iterator():
        log = prediction_log_pb2.PredictionLog.FromString(record)
        assert log.WhichOneof("log_type") == "predict_log"
        yield log.predict_log.request


def test_there_is_a_request_for_every_signature_and_example(translator_export):
    import tensorflow as tf

    model, examples, path = translator_export
    requests = list(load_requests(path))
    assert [request.model_spec.name for request in requests] == ["translator"] * 4
    names = [request.model_spec.signature_name for request in requests]
    assert names == ["serving_default"] * 2 + ["encode"] * 2

    calls = [
        (name, {key: tf.make_ndarray(proto) for key, proto in request.inputs.items()})
        for name, request in zip(names, requests, strict=True)
    ]
    for (name, inputs), example in zip(calls, 2 * examples, strict=True):
        assert inputs.keys() == ({"source"} if name == "encode" else {"source", "target"})
        for key, array in inputs.items():
            np.testing.assert_array_equal(array, example[key])
    for answer, example in zip(run_calls(path, calls), 2 * examples, strict=True):
        summary = answer["output"] if "output" in answer else answer["summary"]
        expected = model(example, training=False)["summary"]
        if "output" not in answer:
            np.testing.assert_allclose(summary, expected, rtol=1e-5, atol=1e-6)
        assert summary.shape == expected.shape


def test_strings_and_half_precision_can_be_in_a_request(tmp_path):
    import tensorflow as tf

    specs = [tf.TensorSpec((None,), "string", "text"), tf.TensorSpec((), "bfloat16", "scale")]

    def repeat(text, scale):
        return {"text": tf.strings.join([text, text]), "scale": keras.ops.multiply(scale, 2)}

    path = export.saved_model(None, tmp_path / "m", {"serving_default": (repeat, specs)})
    for request, batch in zip(load_requests(path), (1, 3), strict=True):
        texts = [b"a", b"a a", b"a a a"][:batch]
        assert tf.make_ndarray(request.inputs["text"]).tolist() == texts
        assert tf.make_ndarray(request.inputs["scale"]).dtype.name == "bfloat16"


def test_a_request_without_a_signature_is_for_the_default_and_other_apis_are_skipped(tmp_path):
    import tensorflow as tf
    from tensorflow_serving.apis import prediction_log_pb2

    log, other = prediction_log_pb2.PredictionLog(), prediction_log_pb2.PredictionLog()
    log.predict_log.request.inputs["x"].CopyFrom(tf.make_tensor_proto([1, 2]))
    other.classify_log.request.model_spec.name = "m"
    (tmp_path / warmup.FILE).parent.mkdir()
    with tf.io.TFRecordWriter(str(tmp_path / warmup.FILE)) as records:
        for record in (other, log):
            records.write(record.SerializeToString())
    ((name, inputs),) = warmup.load_warmup_requests(tmp_path)
    assert name == "serving_default" and inputs["x"].tolist() == [1, 2]
