"""Compare the exports of six causal Transformer blocks with those of the same network in Keras.

    python -m benchmarks.exported
    python -m benchmarks.exported saved_models/translate_dates/1

Prints a table: size of the graph, processor seconds of the export and of a cold start in the C++
loader (without XLA), and the times of a short and a long request, which alternate between the
networks. Batch size and length are unknown to the graph. It takes about a minute on two cores.

With a version directory, it prints the seconds and the memory of one cold start of that version, as
JSON: of loading it, and of answering its warm-up requests.
"""

import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from keras_attention.export.checks.c_loader.library import find_tensorflow_folder, open_library
from keras_attention.export.checks.c_loader.model import Model
from keras_attention.export.requests.warmup import load_warmup_requests
from keras_attention.server_context import trace_for_server

SIZES = {"blocks": 6, "heads": 4, "width": 256, "hidden": 1024, "words": 1000}
LENGTHS = {16: 100, 2048: 9}  # number of ids in a request: number of requests
LIMITS = {"nodes": 2, "load, s": 2, "first requests, s": 2, "export, s": 2, "16 ids, ms": 1}


def make_network(name, sizes=None, mask_zero=False):
    """Return a model from word ids to vectors: `ours`, or `keras` for the same in Keras's layers.

    Args:
        name: "ours" or "keras".
        sizes: As `SIZES`, the default.
        mask_zero: Whether id 0 is padding.
    """
    import keras

    import keras_attention

    sizes = SIZES if sizes is None else sizes
    heads, width, layers = sizes["heads"], sizes["width"], keras.layers
    ids = keras.Input((None,), dtype="int32", name="ids")
    x = layers.Embedding(sizes["words"], width, mask_zero=mask_zero)(ids)
    for _ in range(sizes["blocks"]):
        if name == "ours":
            block = keras_attention.TransformerEncoderBlock(heads, sizes["hidden"])
            x = block(x, use_causal_mask=True)
            continue
        attention = layers.MultiHeadAttention(heads, width // heads)
        x = layers.LayerNormalization()(x + attention(x, x, use_causal_mask=True))
        hidden = layers.Dense(sizes["hidden"], activation="relu")(x)
        x = layers.LayerNormalization()(x + layers.Dense(width)(hidden))
    return keras.Model(ids, x)


def export(model, folder):
    """Export a model with the options of `keras_attention.export`, without its checks."""
    import keras
    import tensorflow as tf

    archive = keras.export.ExportArchive()
    specs = [tf.TensorSpec(x.shape, x.dtype, x.name) for x in model.inputs]
    options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
    with trace_for_server():
        archive.add_endpoint("serving_default", lambda ids: model(ids, training=False), specs)
        archive.write_out(str(folder), options=options, verbose=False)


def count_nodes(folder):
    """Return the number of nodes of an exported graph and its functions."""
    from tensorflow.core.protobuf import saved_model_pb2

    content = Path(folder, "saved_model.pb").read_bytes()
    graph = saved_model_pb2.SavedModel.FromString(content).meta_graphs[0].graph_def
    return len(graph.node) + sum(len(function.node_def) for function in graph.library.function)


def measure_cold_start(folder):
    """Return what `start` prints, in a new process."""
    command = [sys.executable, "-m", "benchmarks.exported", str(folder)]
    process = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(process.stdout.splitlines()[-1])


def start(folder):
    """Load an export, answer its warm-up requests or one of 16 ids, and print the costs.

    They are processor seconds and megabytes of resident memory, without those of TensorFlow's
    library, as a JSON dict.
    """
    open_library(find_tensorflow_folder())
    requests = load_warmup_requests(folder)
    requests = requests or [("serving_default", {"ids": np.ones((1, 16), "int32")})]
    began = _processor_seconds(), _resident_megabytes()
    model = _load(folder)
    loaded = _processor_seconds()
    for signature, inputs in requests:
        model.run(signature, inputs)
    costs = {
        "load, s": loaded - began[0],
        "first requests, s": _processor_seconds() - loaded,
        "memory, MB": _resident_megabytes() - began[1],
    }
    print(json.dumps({name: round(value, 3) for name, value in costs.items()}))


def measure(folders):
    """Return the median milliseconds of a request of each length, `{length: {name: ms}}`."""
    models = {name: _load(folder) for name, folder in folders.items()}
    medians = {}
    for length, count in LENGTHS.items():
        ids = np.random.default_rng(0).integers(1, 1000, (1, length)).astype("int32")
        times = {name: [] for name in models}
        for _ in range(count + 1):
            for name, model in models.items():
                begin = time.perf_counter()
                model.run("serving_default", {"ids": ids})
                times[name].append(1000 * (time.perf_counter() - begin))
        medians[length] = {name: statistics.median(ms[1:]) for name, ms in times.items()}
    return medians


def main():
    """Print the table."""
    rows, folders = {}, {}
    with tempfile.TemporaryDirectory() as root:
        for name in ("keras", "ours"):
            model = make_network(name)
            folders[name] = Path(root, name)
            begin = _processor_seconds()
            export(model, folders[name])
            seconds = _processor_seconds() - begin
            costs = measure_cold_start(folders[name])
            megabytes = (folders[name] / "saved_model.pb").stat().st_size / 1e6
            rows[name] = {
                "nodes": count_nodes(folders[name]),
                "saved_model.pb, MB": megabytes,
                "export, s": seconds,
                **costs,
            }
        for length, medians in measure(folders).items():
            for name, milliseconds in medians.items():
                rows[name][f"{length} ids, ms"] = milliseconds
    print("| | Keras's layers | ours | ours / Keras's | goal |\n|---|---|---|---|---|")
    for title, theirs in rows["keras"].items():
        ours, limit = rows["ours"][title], LIMITS.get(title)
        cells = [f"{theirs:.4g}", f"{ours:.4g}", f"{ours / theirs:.2f}"]
        print("| " + " | ".join([title, *cells, f"≤ {limit}" if limit else ""]) + " |")


def _load(folder):
    return Model(folder, find_tensorflow_folder(), disable_xla=True)


def _resident_megabytes():
    """Return the resident memory of this process, on Linux."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 1e6


def _processor_seconds():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    start(sys.argv[1]) if sys.argv[1:] else main()
