"""Requests of every published signature, what each model answers, and clients that send them."""

import concurrent.futures
import threading
import time
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from examples import manifest
from examples.datasets.dates import Dates
from examples.served import GrpcClient, ServerError
from examples.served_rest import RestClient
from tests.serving.servers import SAVED_MODELS

BATCHES, LENGTHS = (1, 64), (1, 200)
ROWS = 2000  # times length, of the pointer's requests: its decoder's cost grows with the square


class Request(NamedTuple):
    """What is sent, and what has to come back from each version."""

    model: str
    signature: str
    inputs: dict
    expected: dict  # version: outputs by name


class Sent(NamedTuple):
    """How it went: seconds, and what was wrong with the answer, or None."""

    request: Request
    seconds: float
    wrong: str | None


def draw(rng, count):
    """Draws requests of the published models; the answers are each model's own, in Python."""
    versions = {name: entry["version"] for name, entry in manifest.read(SAVED_MODELS).items()}
    loaded = {
        name: tf.saved_model.load(str(SAVED_MODELS / name / str(version)))
        for name, version in versions.items()
    }
    kinds = sorted((name, signature) for name in loaded for signature in loaded[name].signatures)
    texts = [text for text, *_ in Dates().sample(500, rng)]
    requests = []
    for index in range(count):
        model, signature = kinds[index % len(kinds)]
        inputs = _inputs(model, signature, rng, texts)
        outputs = loaded[model].signatures[signature](**_tensors(inputs))
        expected = {versions[model]: {name: value.numpy() for name, value in outputs.items()}}
        requests.append(Request(model, signature, inputs, expected))
    return requests


def send(server, requests, order, clients, meanwhile=None):
    """Sends requests from several clients at once, every fourth of which speaks REST.

    Args:
        server: A `Server`.
        requests: List of `Request`.
        order: Which of them to send, numbers, as often as wanted.
        clients: How many threads.
        meanwhile: Function to call while they are at it, after a third of them.

    Returns:
        A `Sent` for each of the order.
    """
    local, numbers = threading.local(), iter(range(clients))

    def begin():
        is_rest = next(numbers) % 4 == 3
        local.client = RestClient(server.rest) if is_rest else GrpcClient(server.grpc)

    def ask(number):
        request = requests[number]
        began = time.perf_counter()
        try:
            answer = local.client.predict(request.model, request.inputs, request.signature)
            wrong = differs(request, answer)
        except ServerError as error:
            wrong = str(error)
        return Sent(request, time.perf_counter() - began, wrong)

    with concurrent.futures.ThreadPoolExecutor(clients, initializer=begin) as threads:
        sent = [threads.submit(ask, number) for number in order]
        if meanwhile is not None:
            sent[len(sent) // 3].result()
            meanwhile()
        return [one.result() for one in sent]


def differs(request, answer):
    """In words, what of an answer is not the model's; None if nothing is.

    REST does not say which version has answered: it may be any that is known.
    """
    outputs = answer.outputs
    versions = [answer.version] if answer.version else list(request.expected)
    if not {*versions} <= request.expected.keys():
        return f"version {answer.version}"
    found = [_first_difference(request.expected[version], outputs) for version in versions]
    return None if None in found else found[0]


def _first_difference(expected, outputs):
    if len(expected) == 1:  # REST gives the only output no name
        outputs = dict(zip(expected, outputs.values(), strict=True))
    if expected.keys() != outputs.keys():
        return f"outputs {sorted(outputs)}"
    for name, value in expected.items():
        found = outputs[name]
        if value.size == 0 == found.size:  # of nothing JSON keeps no shape
            continue
        if found.shape != value.shape:
            return f"{name} of shape {found.shape} in place of {value.shape}"
        if value.dtype.kind == "f":
            if not np.allclose(found, value, rtol=1e-4, atol=1e-5):
                return f"{name} off by {np.max(np.abs(found - value))}"
        elif not np.array_equal(found, value):
            return f"{name} {found[found != value][:3]} in place of {value[found != value][:3]}"
    return None


def _inputs(model, signature, rng, texts):
    batch, length = (int(_log_uniform(rng, *bounds)) for bounds in (BATCHES, LENGTHS))
    if model == "translate_dates" and signature == "decode":
        return {"text": _texts(rng, texts, batch, length)}
    if model == "translate_dates":
        source, target = (rng.integers(0, 15, (batch, n), "int32") for n in (length, 11))
        return {"source": source, "target": target}
    if model == "pointer_hull":
        length = max(min(length, ROWS // batch), 1)
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
    return {"text": _bytes(reviews)}


def _texts(rng, texts, batch, length):
    """Dates, and now and then any characters, of all lengths."""
    letters = "aäß0123456789-./年月日 \U0001f600"
    drawn = [
        str(rng.choice(texts)) if rng.random() < 0.8 else "".join(rng.choice([*letters], length))
        for _ in range(batch)
    ]
    return _bytes(drawn)


def _bytes(texts):
    return np.array([*(text.encode() for text in texts), None], object)[:-1]


def _log_uniform(rng, least, most):
    """Small ones as often as large ones."""
    return np.exp(rng.uniform(np.log(least), np.log(most + 1)))


def _tensors(inputs):
    return {name: tf.constant(value) for name, value in inputs.items()}
