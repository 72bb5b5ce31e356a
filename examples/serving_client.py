"""Query a running TensorFlow Serving by gRPC and REST, with single requests and with batches.

    docker run -p 127.0.0.1:8500:8500 -p 127.0.0.1:8501:8501 \
        --mount type=bind,source=$PWD/saved_models,target=/models,readonly \
        tensorflow/serving:TAG --model_config_file=/models/models.config --max_num_load_retries=0
    python examples/serving_client.py

The first command starts a server, the second one this program. It sends dates to the model
`translate_dates`, and prints the model's signatures, some answers by both protocols, the error for
an invalid request, and a table with percentiles of the latency. It also plots the alignments in the
answers. The client classes, in `served.py` and `served_rest.py`, work with any model.
"""

import concurrent.futures
import functools
import sys
import threading
import time
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

if not __package__:  # run as `python examples/serving_client.py`, from any directory
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from examples.command_line import run
from examples.datasets.dates import Dates
from examples.served import GrpcClient, ServerError
from examples.served_rest import RestClient
from keras_attention.visualize import heatmap

MODEL, SIGNATURE = "translate_dates", "decode"
PERCENTILES = (50, 90, 99)
PLOTS = 4  # number of answers whose alignments are plotted


def main(
    grpc="localhost:8500",
    rest="localhost:8501",
    rows=2000,
    batch=32,
    clients=8,
    seed=0,
    quick=False,
    pictures="docs/pictures",
):
    """Query, measure and plot; return the percentiles and the rate for each mode of sending.

    Args:
        grpc: Address of the server's gRPC port.
        rest: Address of the server's REST port.
        rows: Number of dates to send in each mode.
        batch: Number of dates in a request of the modes with batches.
        clients: Number of clients that send at the same time.
        quick: Send only 100 dates in each mode.

    The other arguments are described in `examples.command_line`.
    """
    rows = 100 if quick else rows
    samples = Dates().sample(rows, np.random.default_rng(seed), split="test")
    texts, dates, locales = zip(*samples, strict=True)
    modes = {
        "gRPC, one by one": (functools.partial(GrpcClient, grpc), 1),
        f"gRPC, {batch} at a time": (functools.partial(GrpcClient, grpc), batch),
        "REST, one by one": (functools.partial(RestClient, rest), 1),
        f"REST, {batch} at a time": (functools.partial(RestClient, rest), batch),
    }
    client = GrpcClient(grpc)
    describe(client)
    for protocol_client in (client, RestClient(rest)):
        outputs = protocol_client.predict(MODEL, {"text": texts[:3]}, SIGNATURE).outputs
        for text, date in zip(texts[:3], outputs["date"], strict=True):
            print(f"{type(protocol_client).__name__}: {text}  ->  {date.decode()}")
    try:
        client.predict(MODEL, {"text": [4, 8, 2027]}, SIGNATURE)
    except ServerError as error:
        print(f"Error for numbers instead of text: {error}\n")

    measured = {
        mode: measure(mode, connect, size, texts, dates, clients)
        for mode, (connect, size) in modes.items()
    }
    print(f"\n{'milliseconds':24}" + "".join(f"{f'p{p}':>9}" for p in PERCENTILES) + "   rows/s")
    for mode, (times, rate) in measured.items():
        print(f"{mode:24}" + "".join(f"{1000 * time:9.1f}" for time in times) + f"{rate:9.0f}")
    plot_alignments(client, texts, locales, Path(pictures) / "serving_client.png")
    return measured


def describe(client):
    """Print the model's versions and signatures."""
    print(f"{MODEL}: {client.states(MODEL)}")
    for name, signature in sorted(client.signatures(MODEL).items()):
        print(f"  {name}: {', '.join(signature.inputs)} -> {', '.join(sorted(signature.outputs))}")


def measure(mode, connect, batch, texts, dates, clients):
    """Send all texts from several clients at once; return percentiles of seconds, and rows/s."""
    parts = [slice(start, start + batch) for start in range(0, len(texts), batch)]
    local = threading.local()  # holds the client of each thread

    def send(part):
        started = time.perf_counter()
        outputs = local.client.predict(MODEL, {"text": texts[part]}, SIGNATURE).outputs
        seconds = time.perf_counter() - started
        pairs = zip(dates[part], outputs["date"], strict=True)
        return seconds, sum(date == answer.decode() for date, answer in pairs)

    def open_client():
        local.client = connect()
        local.client.states(MODEL)

    started = time.perf_counter()
    with concurrent.futures.ThreadPoolExecutor(clients, initializer=open_client) as threads:
        results = list(tqdm(threads.map(send, parts), desc=mode, total=len(parts)))
    rate = len(texts) / (time.perf_counter() - started)
    times, right = zip(*results, strict=True)
    print(f"{mode}: {sum(right) / len(texts):.1%} of {len(texts)} dates right")
    return np.percentile(times, PERCENTILES), rate


def plot_alignments(client, texts, locales, path):
    """Plot the alignments in the server's answers."""
    chosen = [i for i, text in enumerate(texts) if 12 <= len(text) <= 30][:PLOTS]
    answers = [client.predict(MODEL, {"text": [texts[i]]}, SIGNATURE).outputs for i in chosen]
    heatmap(
        [outputs["alignments"][0] for outputs in answers],
        [texts[i] for i in chosen],
        [outputs["date"][0].decode() or " " for outputs in answers],
        titles=[locales[i] for i in chosen],
        columns=2,
        path=path,
    )
    print(f"Alignments plotted in {path}")


if __name__ == "__main__":
    run(main)
