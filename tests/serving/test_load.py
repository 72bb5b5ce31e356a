"""Under load from many clients, every answer is right and the server's memory does not grow.

pytest -s -m slow tests/serving/test_load.py     # 10,000 requests, with a table of latencies
"""

import keras
import numpy as np
import pytest

if keras.backend.backend() != "tensorflow":
    pytest.skip("TensorFlow Serving serves what TensorFlow exports", allow_module_level=True)

from tests.serving import traffic

CLIENTS, PARTS = 8, 10


@pytest.fixture(scope="module")
def requests():
    """Ten requests of each signature."""
    return traffic.sample_requests(np.random.default_rng(0), 110)


def measure_growth(server, requests, count):
    """Send requests to warm up, then `count` more, and return the relative growth of memory.

    The warm-up sends all requests twice and some sampled ones. Every answer must be the model's.
    Memory goes up and down with the current requests, so it is read after each of PARTS parts, and
    the growth is the slope of a straight line through these values.
    """
    rng = np.random.default_rng(1)
    all_requests = range(len(requests))
    for order in (all_requests, all_requests, rng.integers(0, len(requests), count // 10)):
        warm = traffic.send(server, requests, order, CLIENTS)
        assert not [result.error for result in warm if result.error]
    sent, megabytes = [], []
    for order in np.array_split(rng.integers(0, len(requests), count), PARTS):
        sent += traffic.send(server, requests, order, CLIENTS)
        assert not [result.error for result in sent if result.error]
        megabytes.append(server.megabytes())
    print_report(sent, megabytes)
    if np.isnan(megabytes).any():
        pytest.skip("all answers were right; the memory of a running server is unknown")
    growth, first = np.polyfit(np.linspace(0, 1, PARTS), megabytes, 1)
    return 1 + growth / first


def print_report(sent, megabytes):
    """Print percentiles of the latency, for each signature and for all, and the memory."""
    print(f"\n{'milliseconds':40}{'requests':>9}{'p50':>8}{'p99':>8}")
    kinds = sorted({(result.request.model, result.request.signature) for result in sent})
    for kind in [*kinds, None]:
        times = [result.seconds for result in sent if kind in (None, result.request[:2])]
        p50, p99 = 1000 * np.percentile(times, (50, 99))
        name = "all" if kind is None else f"{kind[0]}, {kind[1]}"
        print(f"{name:40}{len(times):9}{p50:8.1f}{p99:8.1f}")
    print("MB after each tenth:", *(f"{number:.0f}" for number in megabytes))


def test_every_answer_is_right_and_memory_does_not_grow(model_server, requests):
    # So few requests only reveal a server that keeps every request and its answer.
    assert measure_growth(model_server, requests, 300) < 1.25


@pytest.mark.slow
def test_ten_thousand_answers_are_right_and_memory_does_not_grow(model_server):
    requests = traffic.sample_requests(np.random.default_rng(0), 240)
    assert measure_growth(model_server, requests, 10_000) < 1.05


def test_a_wrong_answer_is_detected(model_server, requests):
    request = requests[0]
    for version, outputs in request.expected.items():
        for name, value in outputs.items():
            if value.dtype.kind == "f":
                shifted = {version: {**outputs, name: value + 1e-3}}
                (result,) = traffic.send(model_server, [request._replace(expected=shifted)], [0], 1)
                assert "off by" in result.error
