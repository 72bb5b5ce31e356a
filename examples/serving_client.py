"""Asks a running TensorFlow Serving for dates: by gRPC and REST, one by one and in batches.

    docker run -p 8500:8500 -p 8501:8501 --mount type=bind,source=$PWD/saved_models,target=/models \
        tensorflow/serving --model_config_file=/models/models.config
    python examples/serving_client.py

Says what the server serves and what it answers, by both protocols alike; what it says to a
request that is wrong; how long requests take, in a table of percentiles; and draws the alignments
that came with the answers. `served.py` is the client itself, for any model.
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
DRAWN = 4


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
    """Asks, compares, measures and draws; returns the percentiles by way of asking."""
    rows = 100 if quick else rows
    samples = Dates().sample(rows, np.random.default_rng(seed), split="test")
    texts, dates, locales = zip(*samples, strict=True)
    ways = {
        "gRPC, one by one": (functools.partial(GrpcClient, grpc), 1),
        f"gRPC, {batch} at a time": (functools.partial(GrpcClient, grpc), batch),
        "REST, one by one": (functools.partial(RestClient, rest), 1),
        f"REST, {batch} at a time": (functools.partial(RestClient, rest), batch),
    }
    client = GrpcClient(grpc)
    describe(client)
    for one in (client, RestClient(rest)):
        found = one.predict(MODEL, {"text": texts[:3]}, SIGNATURE).outputs
        for text, date in zip(texts[:3], found["date"], strict=True):
            print(f"{type(one).__name__}: {text}  ->  {date.decode()}")
    try:
        client.predict(MODEL, {"text": [4, 8, 2027]}, SIGNATURE)
    except ServerError as error:
        print(f"Numbers in place of a text: {error}\n")

    found = {way: measure(way, *how, texts, dates, clients) for way, how in ways.items()}
    print(f"\n{'milliseconds':24}" + "".join(f"{f'p{p}':>9}" for p in PERCENTILES) + "   rows/s")
    for way, (times, rate) in found.items():
        print(f"{way:24}" + "".join(f"{1000 * time:9.1f}" for time in times) + f"{rate:9.0f}")
    draw(client, texts, locales, Path(pictures) / "serving_client.png")
    return found


def describe(client):
    """Prints what the server says of the model."""
    print(f"{MODEL}: {client.states(MODEL)}")
    for name, signature in sorted(client.signatures(MODEL).items()):
        print(f"  {name}: {', '.join(signature.inputs)} -> {', '.join(sorted(signature.outputs))}")


def measure(way, connect, batch, texts, dates, clients):
    """Sends all texts from several clients at once; percentiles in seconds, and rows a second."""
    parts = [slice(start, start + batch) for start in range(0, len(texts), batch)]
    local = threading.local()  # a client for each thread

    def ask(part):
        began = time.perf_counter()
        outputs = local.client.predict(MODEL, {"text": texts[part]}, SIGNATURE).outputs
        took = time.perf_counter() - began
        right = [a == b.decode() for a, b in zip(dates[part], outputs["date"], strict=True)]
        return took, sum(right)

    def begin():
        local.client = connect()
        local.client.states(MODEL)

    began = time.perf_counter()
    with concurrent.futures.ThreadPoolExecutor(clients, initializer=begin) as threads:
        found = list(tqdm(threads.map(ask, parts), desc=way, total=len(parts)))
    rate = len(texts) / (time.perf_counter() - began)
    times, right = zip(*found, strict=True)
    print(f"{way}: {sum(right) / len(texts):.1%} of {len(texts)} dates right")
    return np.percentile(times, PERCENTILES), rate


def draw(client, texts, locales, path):
    """Draws where the server looked, from what it answered."""
    chosen = [i for i, text in enumerate(texts) if 12 <= len(text) <= 30][:DRAWN]
    found = [client.predict(MODEL, {"text": [texts[i]]}, SIGNATURE).outputs for i in chosen]
    heatmap(
        [outputs["alignments"][0] for outputs in found],
        [texts[i] for i in chosen],
        [outputs["date"][0].decode() or " " for outputs in found],
        titles=[locales[i] for i in chosen],
        columns=2,
        path=path,
    )
    print(f"Alignments drawn in {path}")


if __name__ == "__main__":
    run(main)
