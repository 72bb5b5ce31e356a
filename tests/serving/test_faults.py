"""A killed server, a new version and broken versions: no client ever gets a wrong answer."""

import os
import shutil

import keras
import numpy as np
import pytest

if keras.backend.backend() != "tensorflow":
    pytest.skip("TensorFlow Serving serves what TensorFlow exports", allow_module_level=True)

from examples.served import GrpcClient, ServerError
from keras_attention import export
from tests.serving import traffic
from tests.serving.exported import NAME
from tests.serving.servers import Server

CLIENTS, COUNT = 8, 600
GRAPH_ONLY = "graph only"


def sample_order(requests, count=COUNT):
    return np.random.default_rng(2).integers(0, len(requests), count)


def test_clients_survive_a_killed_and_restarted_server(versions, base, tmp_path):
    with Server(tmp_path, {NAME: base}) as server:

        def restart():
            server.kill()
            server.start()

        sent = traffic.send(server, versions[1], sample_order(versions[1]), CLIENTS, restart)
    assert not [result.error for result in sent if result.error]
    assert max(result.seconds for result in sent) > 0.5  # at least one request had to wait


def test_a_new_version_takes_over_under_load(versions, base, tmp_path):
    directory, requests = versions
    with Server(tmp_path, {NAME: base}) as server:

        def publish():
            shutil.copytree(directory / "2", base / ".copying")
            os.rename(base / ".copying", base / "2")
            server.wait(version=2)

        sent = traffic.send(server, requests, sample_order(requests), CLIENTS, publish)
        after = traffic.send(server, requests, sample_order(requests, 50), CLIENTS)
        client = GrpcClient(server.grpc)
        newest = client.predict(NAME, requests[0].inputs)
        client.close()
    assert not [result.error for result in [*sent, *after] if result.error]
    assert newest.version == 2
    # The test could not fail if both versions gave the same answer.
    assert traffic.find_difference(requests[0], newest._replace(version=1))


def truncate(file, share=0.5):
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * share)])


def flip_bit(file, share=0.5):
    content = bytearray(file.read_bytes())
    content[int(len(content) * share)] ^= 1
    file.write_bytes(content)


WEIGHTS, INDEX = "variables/variables.data-00000-of-00001", "variables/variables.index"
WARMUP = "assets.extra/tf_serving_warmup_requests"
DAMAGES = {
    "graph truncated": lambda version: truncate(version / "saved_model.pb"),
    "graph empty": lambda version: truncate(version / "saved_model.pb", 0),
    "graph missing": lambda version: (version / "saved_model.pb").unlink(),
    "weights truncated": lambda version: truncate(version / WEIGHTS),
    "weights missing": lambda version: (version / WEIGHTS).unlink(),
    **{
        f"bit {i} of the weights flipped": lambda v, i=i: flip_bit(v / WEIGHTS, i / 10)
        for i in range(10)
    },
    "index truncated": lambda version: truncate(version / INDEX),
    # TensorFlow loads a graph without weights; only its warm-up requests fail.
    "index missing": lambda version: (version / INDEX).unlink(),
    "variables missing": lambda version: shutil.rmtree(version / "variables"),
    "bit of the index flipped": lambda version: flip_bit(version / INDEX),
    "empty directory": lambda version: (shutil.rmtree(version), version.mkdir()),
    "warm-up truncated": lambda version: truncate(version / WARMUP),
}


@pytest.fixture(scope="module")
def server(versions, tmp_path_factory):
    """A server with a copy of version 1 for each kind of damage, and a version without weights."""
    directory, folder = versions[0], tmp_path_factory.mktemp("broken")
    models = {
        kind: folder / str(number) / NAME for number, kind in enumerate([*DAMAGES, GRAPH_ONLY])
    }
    for base in models.values():
        shutil.copytree(directory / "1", base / "1")
    for part in ("variables", "assets.extra"):
        shutil.rmtree(models[GRAPH_ONLY] / "1" / part)
    with Server(folder, models) as server:
        yield server


def test_a_broken_version_is_refused_and_the_old_one_is_served(server, versions):
    directory, requests = versions
    for kind, damage in DAMAGES.items():
        base = server.models[kind]
        shutil.copytree(directory / "2", base / ".copying")
        damage(base / ".copying")
        os.rename(base / ".copying", base / "2")
    client = GrpcClient(server.grpc)
    for kind in DAMAGES:
        server.wait_for(lambda kind=kind: client.states(kind).get(2) == "END", kind)
        answer = client.predict(kind, requests[0].inputs)
        assert answer.version == 1 and traffic.find_difference(requests[0], answer) is None, kind
    client.close()
    assert server.is_running()


def test_a_version_with_only_a_graph_answers_with_errors(server, versions):
    assert any(export.check(server.models[GRAPH_ONLY])[1])
    client = GrpcClient(server.grpc)
    with pytest.raises(ServerError, match="initialized|FAILED_PRECONDITION"):
        client.predict(GRAPH_ONLY, versions[1][0].inputs)
    client.close()
