"""Requests of every published signature, their expected answers, and clients that send them."""

import concurrent.futures
import threading
import time

import numpy as np
import tensorflow as tf

from examples.datasets.dates import Dates
from examples.served import Answer, GrpcClient, ServerError
from examples.served_rest import RestClient
from tests.serving.request import Request, Sent
from tests.serving.servers import PUBLISHED, find_published

BATCHES, LENGTHS = (1, 64), (1, 200)
# Limit of batch times length for the pointer network: its decoder's cost is quadratic in length.
MAX_POINTS = 2000
# Outputs whose second size is the longest text of the batch. A joined request is padded for it.
PADDED = {
    ("translate_dates", "decode"): {"alignments"},
    ("text_classification", "attention"): {"words", "word_weights", "sentence_weights"},
}


def sample_requests(rng, count, batches=BATCHES, lengths=LENGTHS):
    """Sample requests of the published models; compute the expected answers in Python."""
    loaded = {name: tf.saved_model.load(str(find_published(name))) for name in PUBLISHED}
    kinds = sorted((name, signature) for name in loaded for signature in loaded[name].signatures)
    texts = [text for text, *_ in Dates().sample(500, rng)]
    requests = []
    for index in range(count):
        model, signature = kinds[index % len(kinds)]
        batch, length = (int(_sample_log_uniform(rng, *bounds)) for bounds in (batches, lengths))
        inputs = sample_inputs(model, signature, rng, texts, batch, length)
        outputs = loaded[model].signatures[signature](**_to_tensors(inputs))
        expected = {PUBLISHED[model]: {name: value.numpy() for name, value in outputs.items()}}
        requests.append(Request(model, signature, inputs, expected))
    return requests


def send(server, requests, order, clients, meanwhile=None):
    """Send requests from several clients at once, every fourth of which uses REST.

    Args:
        server: A `Server`.
        requests: List of `Request`.
        order: Indices of the requests to send; they may repeat.
        clients: Number of threads.
        meanwhile: Function to call after a third of the requests, while the others are sent.

    Returns:
        List with a `Sent` for each index.
    """
    local, numbers = threading.local(), iter(range(clients))

    def connect():
        is_rest = next(numbers) % 4 == 3
        local.client = RestClient(server.rest) if is_rest else GrpcClient(server.grpc)

    def send_one(index):
        request = requests[index]
        started = time.perf_counter()
        try:
            answer = local.client.predict(request.model, request.inputs, request.signature)
            error = find_difference(request, answer)
        except ServerError as server_error:
            error = str(server_error)
        return Sent(request, time.perf_counter() - started, error)

    with concurrent.futures.ThreadPoolExecutor(clients, initializer=connect) as threads:
        sent = [threads.submit(send_one, index) for index in order]
        if meanwhile is not None:
            sent[len(sent) // 3].result()
            meanwhile()
        return [future.result() for future in sent]


def find_difference(request, answer):
    """Describe how an answer differs from the model's; None if it does not.

    REST does not tell the version, so the answer may be that of any version.
    """
    outputs = answer.outputs
    versions = [answer.version] if answer.version else list(request.expected)
    if not {*versions} <= request.expected.keys():
        return f"version {answer.version}"
    differences = [_compare_outputs(request.expected[version], outputs) for version in versions]
    return None if None in differences else differences[0]


def find_joined_difference(request, outputs, version=1):
    """Describe how the outputs of a joined request differ from those of the request alone."""
    expected = request.expected[version]
    outputs = dict(outputs)
    for name in PADDED.get(request[:2], ()):
        array, inside = outputs[name], tuple(map(slice, expected[name].shape))
        padding = np.ones(array.shape, bool)
        padding[inside] = False
        if np.any(array[padding] != (b"" if array.dtype == object else 0)):
            return f"{name} with values beyond the request's own size"
        outputs[name] = array[inside]
    return find_difference(request, Answer(outputs, version))


def _compare_outputs(expected, outputs):
    if len(expected) == 1:  # REST omits the name of a single output.
        outputs = dict(zip(expected, outputs.values(), strict=True))
    if expected.keys() != outputs.keys():
        return f"outputs {sorted(outputs)}"
    for name, value in expected.items():
        array = outputs[name]
        if value.size == 0 == array.size:  # JSON loses the shape of an empty array.
            continue
        if array.shape != value.shape:
            return f"{name} of shape {array.shape} instead of {value.shape}"
        if value.dtype.kind == "f":
            if not np.allclose(array, value, rtol=1e-4, atol=1e-5):
                return f"{name} off by {np.max(np.abs(array - value))}"
        elif not np.array_equal(array, value):
            differs = array != value
            return f"{name} {array[differs][:3]} instead of {value[differs][:3]}"
    return None


def sample_inputs(model, signature, rng, texts, batch, length):
    """Sample inputs of a published signature.

    Args:
        model: The model's name.
        signature: The signature's name.
        rng: A `numpy.random.Generator`.
        texts: List of dates.
        batch: Number of rows.
        length: Length of the sequences. Texts have at most about that many characters or words.
    """
    if model == "translate_dates" and signature == "decode":
        return {"text": _sample_texts(rng, texts, batch, length)}
    if model == "translate_dates":
        source, target = (rng.integers(0, 15, (batch, n), "int32") for n in (length, 11))
        return {"source": source, "target": target}
    if model == "pointer_hull":
        length = max(min(length, MAX_POINTS // batch), 1)
        points = rng.random((batch, length, 2), "float32")
        lengths = rng.integers(1, length + 1, batch, "int32")
        if signature == "decode":
            return {"points": points, "lengths": lengths}
        targets = rng.integers(0, length + 1, (batch, length), "int32")
        return {"points": points, "real": np.arange(length) < lengths[:, None], "targets": targets}
    if model == "ntm_copy":
        return {"sequence": rng.integers(0, 2, (batch, length, 9)).astype("float32")}
    if model == "image_captioning_soft":
        return {"image": rng.integers(0, 256, (batch, 84, 84, 1), "uint8")}
    if signature == "serving_default":
        return {"words": rng.integers(0, 100, (batch, 3, length), "int32")}
    words = ["good", "bad", "film", "the", "plot.", "never", "Wonderful!", "", "\n", "zzz"]
    reviews = [" ".join(rng.choice(words, rng.integers(1, length + 1))) for _ in range(batch)]
    return {"text": _to_bytes(reviews)}


def _sample_texts(rng, texts, batch, length):
    """Sample dates, and in one case of five arbitrary characters."""
    letters = "aäß0123456789-./年月日 \U0001f600"
    sampled = [
        str(rng.choice(texts)) if rng.random() < 0.8 else "".join(rng.choice([*letters], length))
        for _ in range(batch)
    ]
    return _to_bytes(sampled)


def _to_bytes(texts):
    return np.array([*(text.encode() for text in texts), None], object)[:-1]


def _sample_log_uniform(rng, low, high):
    """Sample a number whose logarithm is uniform, so that small sizes are as frequent as large."""
    return np.exp(rng.uniform(np.log(low), np.log(high + 1)))


def _to_tensors(inputs):
    return {name: tf.constant(value) for name, value in inputs.items()}
