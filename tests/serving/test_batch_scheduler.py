"""Every published signature behind TensorFlow's batch scheduler, which TensorFlow Serving uses.

`tf.nondifferentiable_batch_function` runs the scheduler of TensorFlow Serving's batching
(tensorflow/core/kernels/batching_util): it joins the requests of several threads into one, runs the
signature once, and splits the outputs. Every row must be that of the same request answered alone.
"""

import concurrent.futures

import keras
import numpy as np
import pytest

if keras.backend.backend() != "tensorflow":
    pytest.skip("TensorFlow Serving serves what TensorFlow exports", allow_module_level=True)

import tensorflow as tf

from examples.datasets.dates import Dates
from tests.serving import traffic
from tests.serving.request import Request
from tests.serving.servers import PUBLISHED, find_published

THREADS, COUNT, MAX_ROWS, MAX_LENGTH = 12, 36, 3, 12
# The requests of these signatures can be joined whatever their contents: each row of their inputs
# is a text, or an image of a fixed size. All others take sequences, and the scheduler refuses to
# join sequences of different lengths (`pad_variable_length_inputs` would pad them).
ALWAYS_JOINED = {
    ("image_captioning_soft", "decode"),
    ("image_captioning_soft", "serving_default"),
    ("text_classification", "attention"),
    ("text_classification", "classify"),
    ("translate_dates", "decode"),
}
DIFFERENT_LENGTHS = "Dimensions of inputs should match"


@pytest.fixture(scope="module")
def scheduled():
    """Dict of every published `(model, signature)` to its function and the result of `schedule`."""
    loaded = {name: tf.saved_model.load(str(find_published(name))) for name in PUBLISHED}
    # The loaded models hold the variables, so they must live as long as the functions.
    yield {
        (model, name): (function, *schedule(function))
        for model in PUBLISHED
        for name, function in sorted(loaded[model].signatures.items())
    }
    loaded.clear()


@pytest.fixture(scope="module")
def texts():
    """Dates, for `traffic.sample_inputs`."""
    return [text for text, *_ in Dates().sample(50, np.random.default_rng(0))]


def schedule(function):
    """Return a function that joins the calls of several threads, and the list of joined sizes."""
    sizes, inputs = [], function.structured_input_signature[1]

    def record(size):
        sizes.append(int(size))
        return size

    @tf.nondifferentiable_batch_function(
        autograph=False,
        num_batch_threads=2,
        max_batch_size=32,
        batch_timeout_micros=20_000,
        allowed_batch_sizes=[1, 8, 32],
        max_enqueued_batches=100,
    )
    def run_joined(*tensors):
        tf.numpy_function(record, [tf.shape(tensors[0])[0]], tf.int32)
        outputs = function(**dict(zip(inputs, tensors, strict=True)))
        return [outputs[name] for name in sorted(outputs)]

    # Without a `tf.function`, each call would trace the batch function again.
    @tf.function(input_signature=[*inputs.values()], autograph=False)
    def run(*tensors):
        return run_joined(*tensors)

    def answer(arrays):
        tensors = run(*(tf.constant(arrays[name]) for name in inputs))
        names = sorted(function.structured_outputs)
        return {name: tensor.numpy() for name, tensor in zip(names, tensors, strict=True)}

    return answer, sizes


def sample_requests(kind, function, texts, length, seed):
    """Sample requests of a signature, of one length or (None) of several, with their answers."""
    rng = np.random.default_rng(seed)
    requests = []
    for _ in range(COUNT):
        batch = int(rng.integers(1, MAX_ROWS + 1))
        size = int(rng.integers(1, MAX_LENGTH + 1)) if length is None else length
        inputs = traffic.sample_inputs(*kind, rng, texts, batch, size)
        outputs = function(**{name: tf.constant(value) for name, value in inputs.items()})
        expected = {1: {name: value.numpy() for name, value in outputs.items()}}
        requests.append(Request(*kind, inputs, expected))
    return requests


def send(answer, requests):
    """Send all requests at once; return for each its answer or the error."""

    def send_one(request):
        try:
            return answer(request.inputs)
        except tf.errors.InvalidArgumentError as error:
            return error

    with concurrent.futures.ThreadPoolExecutor(THREADS) as threads:
        return list(threads.map(send_one, requests))


def test_every_row_is_that_of_the_request_alone(scheduled, texts):
    for kind, (function, answer, sizes) in scheduled.items():
        length = None if kind in ALWAYS_JOINED else 7
        requests = sample_requests(kind, function, texts, length, 0)
        before = len(sizes)
        answers = send(answer, requests)
        for request, outputs in zip(requests, answers, strict=True):
            assert isinstance(outputs, dict), (kind, outputs)
            assert traffic.find_joined_difference(request, outputs) is None, kind
        # The test could not fail if each request were run alone.
        assert len(sizes) - before < COUNT / 2, (kind, sizes)


def test_requests_of_different_lengths_are_refused_but_never_wrong(scheduled, texts):
    for kind in scheduled.keys() - ALWAYS_JOINED:
        function, answer, _ = scheduled[kind]
        requests = sample_requests(kind, function, texts, None, 1)
        answers = send(answer, requests)
        refused = [error for error in answers if not isinstance(error, dict)]
        assert refused and all(DIFFERENT_LENGTHS in str(error) for error in refused), kind
        for request, outputs in zip(requests, answers, strict=True):
            if isinstance(outputs, dict):
                assert traffic.find_joined_difference(request, outputs) is None, kind


def test_a_row_that_depends_on_its_neighbors_is_detected():
    @tf.function
    def center(*, x):
        return {"centered": x - tf.reduce_mean(x, axis=0)}

    function = center.get_concrete_function(x=tf.TensorSpec((None, 4), name="x"))
    answer, _ = schedule(function)
    rng = np.random.default_rng(2)
    requests = []
    for _ in range(COUNT):
        x = rng.normal(size=(2, 4)).astype("float32")
        expected = {1: {"centered": x - x.mean(axis=0)}}
        requests.append(Request("no model", "center", {"x": x}, expected))
    answers = send(answer, requests)
    assert any(map(traffic.find_joined_difference, requests, answers))
