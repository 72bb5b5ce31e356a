"""Send requests to a Triton server from many clients, by HTTP and gRPC; write the answers.

    python client.py HTTP_PORT GRPC_PORT CLIENTS requests.npz answers.npz MODEL MODEL …

This program runs in Triton's environment, because `tritonclient` needs another numpy. It packs
arrays as the C loader does. Every second client uses HTTP, with JSON (the KServe protocol, version
2). An error is an answer with the single output `error`.
"""

import concurrent.futures
import itertools
import json
import sys
import threading
import types
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import tritonclient.grpc
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

LOADER = "keras_attention.export.checks.c_loader"
NUMPY_NAMES = {"FP32": "float32", "FP64": "float64", "BOOL": "bool"}  # others: lower case


def main(http, grpc, clients, requests_file, answers_file, *models):
    """Send one request to each model in `models`."""
    # Import the modules of the package without running its `__init__`, which imports Keras.
    sys.modules[LOADER] = types.ModuleType(LOADER)
    root = Path(__file__).resolve().parents[3]
    sys.modules[LOADER].__path__ = [str(root.joinpath(*LOADER.split(".")))]
    from keras_attention.export.checks.c_loader.arrays import pack, unpack

    with np.load(requests_file) as packed:
        requests = unpack(packed, len(models))
    local, numbers = threading.local(), itertools.count()

    def connect():
        if next(numbers) % 2:
            local.send = HttpClient(f"http://127.0.0.1:{http}").infer
        else:
            local.send = GrpcClient(f"127.0.0.1:{grpc}").infer

    def send(model, inputs):
        try:
            return local.send(model, inputs)
        except (InferenceServerException, urllib.error.HTTPError) as error:
            text = error.message() if isinstance(error, InferenceServerException) else error.read()
            text = text.encode() if isinstance(text, str) else text
            return {"error": np.array([text, None], object)[:1]}

    with concurrent.futures.ThreadPoolExecutor(int(clients), initializer=connect) as threads:
        answers = list(threads.map(send, models, requests))
    np.savez(answers_file, **pack(answers))


class GrpcClient:
    """A client of a server's gRPC port."""

    def __init__(self, address):
        self.client = tritonclient.grpc.InferenceServerClient(address)

    def infer(self, model, inputs):
        tensors = []
        for name, array in inputs.items():
            dtype = np_to_triton_dtype(array.dtype)
            tensors.append(tritonclient.grpc.InferInput(name, array.shape, dtype))
            tensors[-1].set_data_from_numpy(array)
        result = self.client.infer(model, tensors)
        return {out.name: result.as_numpy(out.name) for out in result.get_response().outputs}


class HttpClient:
    """A client of a server's HTTP port that sends and receives JSON."""

    def __init__(self, address):
        self.address = address

    def infer(self, model, inputs):
        body = {"inputs": [to_json(name, array) for name, array in inputs.items()]}
        request = urllib.request.Request(
            f"{self.address}/v2/models/{model}/infer",
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=120) as file:
            outputs = json.load(file)["outputs"]
        return {output["name"]: to_array(output) for output in outputs}


def to_json(name, array):
    """Convert an array to an input of the protocol."""
    values = [v.decode() if isinstance(v, bytes) else v for v in array.ravel().tolist()]
    dtype = np_to_triton_dtype(array.dtype)
    return {"name": name, "shape": list(array.shape), "datatype": dtype, "data": values}


def to_array(output):
    """Convert an output of the protocol to an array."""
    if output["datatype"] == "BYTES":
        strings = [text.encode() for text in output["data"]]
        return np.array([*strings, None], object)[:-1].reshape(output["shape"])
    dtype = NUMPY_NAMES.get(output["datatype"], output["datatype"].lower())
    return np.array(output["data"], dtype).reshape(output["shape"])


if __name__ == "__main__":
    main(*sys.argv[1:])
