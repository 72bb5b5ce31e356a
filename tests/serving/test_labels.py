"""Version labels: clients that use a label get another version after it has moved."""

import shutil

import keras
import pytest

if keras.backend.backend() != "tensorflow":
    pytest.skip("TensorFlow Serving serves what TensorFlow exports", allow_module_level=True)

from tensorflow_serving.config.model_server_config_pb2 import ModelConfig

from examples.served import GrpcClient, ServerError
from examples.served_rest import RestClient
from keras_attention import export
from tests.serving import traffic
from tests.serving.double.configured import resolve_labels
from tests.serving.exported import NAME
from tests.serving.servers import REAL, Server

REREAD_CONFIG = "--model_config_file_poll_wait_seconds=1"
ALLOW_UNAVAILABLE = "--allow_version_labels_for_unavailable_models"


def test_a_label_moves_from_version_1_to_2_on_a_running_server(versions, base, tmp_path):
    directory, requests = versions
    inputs = requests[0].inputs
    # This server reads the file that `label` writes.
    with Server(tmp_path, {NAME: base}, REREAD_CONFIG, ALLOW_UNAVAILABLE) as server:
        clients = GrpcClient(server.grpc), RestClient(server.rest)

        def query(label):
            return [client.predict(NAME, inputs, label=label) for client in clients]

        def is_available(label):
            try:
                return query(label)
            except ServerError:  # A new label may exist before its version is loaded.
                return False

        def find_version(label):
            by_grpc, by_rest = query(label)
            (number,) = [
                version
                for version in (1, 2)
                if traffic.find_difference(requests[0], by_rest._replace(version=version)) is None
            ]
            return number if by_grpc.version == number else None

        export.label(base, {"stable": 1})
        server.wait_for(lambda: is_available("stable"), "label")
        shutil.copytree(directory / "2", base / ".copying")
        (base / ".copying").rename(base / "2")
        export.label(base, {"canary": 2})
        server.wait_for(lambda: is_available("canary"), "second label")
        assert (find_version("stable"), find_version("canary")) == (1, 2)
        export.label(base, {"stable": 2})
        server.wait_for(lambda: find_version("stable") == 2, "move")
        for client, code in zip(clients, ("INVALID_ARGUMENT", 400), strict=True):
            with pytest.raises(ServerError, match="label") as refusal:
                client.predict(NAME, inputs, label="newest")
            assert refusal.value.code == code
            client.close()


def test_labels_of_versions_that_are_not_loaded_need_a_flag(base, tmp_path):
    with Server(tmp_path, {NAME: base}) as server:
        server.kill()
        export.label(base, {"stable": 1})
        server.start()
        assert server.process.wait(timeout=120) != 0
    assert "which is not currently available for inference" in server.log.read_text()


def test_a_version_and_a_label_together_are_refused():
    for client in (GrpcClient("127.0.0.1:1"), RestClient("127.0.0.1:1")):
        with pytest.raises(ValueError, match="Received: version=1, label='stable'"):
            client.predict(NAME, {}, version=1, label="stable")
        client.close()


@pytest.mark.skipif(bool(REAL), reason="the double is not in use")
@pytest.mark.parametrize(
    ("labels", "previous", "allows_unavailable", "expected"),
    [
        ({"a": 1}, {}, False, {"a": 1}),
        ({"a": 2}, {}, False, {}),
        ({"a": 2}, {}, True, {"a": 2}),
        ({"a": 2}, {"a": 1}, True, {"a": 1}),  # a label that moves
        ({"a": 1, "b": 2}, {"b": 1}, False, {"b": 1}),  # all labels are applied, or none
        ({}, {"a": 1}, False, {}),
    ],
)
def test_the_double_applies_labels_like_the_server(labels, previous, allows_unavailable, expected):
    configs = {"m": ModelConfig(name="m", version_labels=labels)}
    previous = {"m": previous} if previous else {}
    resolved, refusal = resolve_labels(configs, {"m": {1}}, previous, allows_unavailable)
    assert resolved.get("m", {}) == expected and (refusal is None) == (expected == labels)
