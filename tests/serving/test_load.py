"""Many clients, all kinds of requests: each answer is the model's, and the server does not grow.

pytest -s -m slow tests/serving/test_load.py     # 10,000 requests, with a table of latencies
"""

import keras
import numpy as np
import pytest

if keras.backend.backend() != "tensorflow":
    pytest.skip("TensorFlow Serving serves what TensorFlow exports", allow_module_level=True)

from tests.serving import traffic

CLIENTS, TENTHS = 8, 10


@pytest.fixture(scope="module")
def requests():
    return traffic.draw(np.random.default_rng(0), 240)


def load(server, requests, count):
    """Sends all requests twice and some drawn ones to warm up, then `count`; how memory grew.

    Each answer has to be the model's. What a process holds goes up and down with the requests of
    the moment: it is read after each tenth, and the line through these says how it grew.
    """
    rng = np.random.default_rng(1)
    every = range(len(requests))
    for order in (every, every, rng.integers(0, len(requests), count // 10)):
        warm = traffic.send(server, requests, order, CLIENTS)
        assert not [one.wrong for one in warm if one.wrong]
    sent, held = [], []
    for order in np.array_split(rng.integers(0, len(requests), count), TENTHS):
        sent += traffic.send(server, requests, order, CLIENTS)
        assert not [one.wrong for one in sent if one.wrong]
        held.append(server.megabytes())
    report(sent, held)
    if np.isnan(held).any():
        pytest.skip("the answers were right; the memory of a server elsewhere cannot be seen")
    growth, first = np.polyfit(np.linspace(0, 1, TENTHS), held, 1)
    return 1 + growth / first


def report(sent, held):
    """Prints percentiles of the latency, of each signature and of all, and the memory held."""
    print(f"\n{'milliseconds':40}{'requests':>9}{'p50':>8}{'p99':>8}")
    kinds = sorted({(one.request.model, one.request.signature) for one in sent})
    for kind in [*kinds, None]:
        times = [one.seconds for one in sent if kind in (None, one.request[:2])]
        p50, p99 = 1000 * np.percentile(times, (50, 99))
        name = "all" if kind is None else f"{kind[0]}, {kind[1]}"
        print(f"{name:40}{len(times):9}{p50:8.1f}{p99:8.1f}")
    print("MB held after each tenth:", *(f"{each:.0f}" for each in held))


def test_every_answer_is_the_models_and_memory_stays(published, requests):
    # So few requests say little of memory: they find what keeps every request and its answer.
    assert load(published, requests, 300) < 1.25


@pytest.mark.slow
def test_ten_thousand_answers_are_the_models_and_memory_stays(published, requests):
    assert load(published, requests, 10_000) < 1.05


def test_a_wrong_answer_is_noticed(published, requests):
    request = requests[0]
    for version, outputs in request.expected.items():
        for name, value in outputs.items():
            if value.dtype.kind == "f":
                off = {version: {**outputs, name: value + 1e-3}}
                (sent,) = traffic.send(published, [request._replace(expected=off)], [0], 1)
                assert "off by" in sent.wrong
