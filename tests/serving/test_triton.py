"""The published models in NVIDIA's Triton Inference Server, behind its dynamic batching.

    python -m venv triton && triton/bin/pip install nvidia-pytriton
    KERAS_ATTENTION_TRITON=triton pytest -m triton

Triton's server, protocols, batching and version watching are other programs than TensorFlow
Serving's; the models are run by TensorFlow's C++ code in both.
"""

import os
import subprocess
from pathlib import Path

import keras
import numpy as np
import pytest

if keras.backend.backend() != "tensorflow":
    pytest.skip("Triton serves what TensorFlow exports", allow_module_level=True)


from keras_attention import export
from keras_attention.export.checks.c_loader.arrays import pack, unpack
from keras_attention.export.checks.c_loader.library import find_tensorflow_folder
from tests.serving import traffic
from tests.serving.servers import PUBLISHED, find_published
from tests.serving.triton.server import ENVIRONMENT, TritonServer

pytestmark = [
    pytest.mark.triton,
    pytest.mark.skipif(
        ENVIRONMENT not in os.environ,
        reason=f"{ENVIRONMENT} does not name an environment with nvidia-pytriton",
    ),
]
CLIENT = Path(__file__).parent / "triton" / "client.py"
CLIENTS, COUNT = 16, 132


@pytest.fixture(scope="module")
def server(versions, tmp_path_factory):
    """A server of the published models, and of version 1 of a small one."""
    folder = tmp_path_factory.mktemp("triton")
    for path in [*map(find_published, PUBLISHED), versions[0] / "1"]:
        add_version(path, folder / "repository")
    environment = os.path.abspath(os.environ[ENVIRONMENT])
    with TritonServer(environment, folder / "repository", folder) as server:
        yield server


@pytest.fixture(scope="module")
def requests():
    return traffic.sample_requests(np.random.default_rng(0), 44, batches=(1, 8), lengths=(1, 50))


def add_version(path, repository):
    export.triton(path, repository, max_delay=20_000, tensorflow=find_tensorflow_folder())


def send(server, folder, requests):
    """Send requests from many clients; return their answers as dicts of arrays."""
    models = [f"{request.model}_{request.signature}" for request in requests]
    # Triton cannot describe an input that has a batch axis only, so requests have one more axis.
    inputs = [
        {name: array[:, None] if array.ndim == 1 else array for name, array in one.inputs.items()}
        for one in requests
    ]
    np.savez(folder / "requests.npz", **pack(inputs))
    subprocess.run(
        [
            *(server.python, CLIENT, str(server.http), str(server.grpc), str(CLIENTS)),
            *(folder / "requests.npz", folder / "answers.npz", *models),
        ],
        check=True,
        timeout=300,
    )
    with np.load(folder / "answers.npz") as packed:
        return unpack(packed, len(requests))


def find_difference(request, outputs, version=1):
    """Describe how an answer differs from that of a version; None if it does not."""
    if "error" in outputs:
        return outputs["error"][0].decode()
    expected = request.expected[version]
    # Outputs with a batch axis only have one more axis, too.
    outputs = {
        name: array[:, 0] if expected[name].ndim == 1 else array for name, array in outputs.items()
    }
    return traffic.find_joined_difference(request, outputs, version)


def test_every_answer_is_right_and_requests_are_joined(server, requests, tmp_path):
    order = np.random.default_rng(1).integers(0, len(requests), COUNT)
    sampled = [requests[index] for index in [*range(len(requests)), *order]]
    answers = send(server, tmp_path, sampled)
    for request, outputs in zip(sampled, answers, strict=True):
        assert find_difference(request, outputs) is None, request[:2]
    assert server.sum_metric("nv_inference_request_success") >= len(sampled)
    runs = server.sum_metric("nv_inference_exec_count")
    assert runs < len(sampled)  # Otherwise Triton has joined nothing.


def test_an_invalid_request_is_refused_and_its_neighbors_are_answered(server, requests, tmp_path):
    valid = next(one for one in requests if one[:2] == ("pointer_hull", "decode"))
    points = np.zeros((1, 4, 2), "float32")
    invalid = valid._replace(inputs={"points": points, "lengths": np.int32([5])})
    equal = valid._replace(inputs={"points": points, "lengths": np.int32([4])})
    answers = send(server, tmp_path, [equal, invalid] * CLIENTS)
    for good, refused in zip(answers[::2], answers[1::2], strict=True):
        assert "error" not in good
        assert b"from 0 to the length of `points`" in refused["error"][0]


def test_a_new_version_takes_over(server, versions, tmp_path):
    directory, requests = versions
    model = f"{directory.name}_serving_default"
    before = send(server, tmp_path, requests)
    add_version(directory / "2", server.repository)
    server.wait_for(lambda: server.is_ready(model, 2), "version 2")
    server.wait_for(lambda: not server.is_ready(model, 1), "end of version 1")
    after = send(server, tmp_path, requests)
    for request, old, new in zip(requests, before, after, strict=True):
        assert find_difference(request, old, 1) is None
        assert find_difference(request, new, 2) is None
        assert find_difference(request, new, 1)  # The versions have different answers.
