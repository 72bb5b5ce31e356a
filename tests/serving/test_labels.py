"""A label moves while the server runs, and clients who ask for it get the other version."""

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
from tests.serving.double.configured import labelled
from tests.serving.exported import NAME
from tests.serving.servers import REAL, Server

REREADS = "--model_config_file_poll_wait_seconds=1"
ALLOWS = "--allow_version_labels_for_unavailable_models"


def test_a_label_moves_from_version_1_to_2_while_the_server_runs(versions, base, tmp_path):
    directory, requests = versions
    given = requests[0].inputs
    # The file that `label` writes is the one that this server reads.
    with Server(tmp_path, {NAME: base}, REREADS, ALLOWS) as server:
        clients = GrpcClient(server.grpc), RestClient(server.rest)

        def answers(label):
            return [client.predict(NAME, given, label=label) for client in clients]

        def is_known(label):
            try:
                return answers(label)
            except ServerError:  # a new label may be there before its version
                return False

        def version_of(label):
            by_grpc, by_rest = answers(label)
            (found,) = [
                version
                for version in (1, 2)
                if traffic.differs(requests[0], by_rest._replace(version=version)) is None
            ]
            return found if by_grpc.version == found else None

        export.label(base, {"stable": 1})
        server.wait_for(lambda: is_known("stable"), "label")
        shutil.copytree(directory / "2", base / ".copying")
        (base / ".copying").rename(base / "2")
        export.label(base, {"canary": 2})
        server.wait_for(lambda: is_known("canary"), "second label")
        assert (version_of("stable"), version_of("canary")) == (1, 2)
        export.label(base, {"stable": 2})
        server.wait_for(lambda: version_of("stable") == 2, "move")
        for client, code in zip(clients, ("INVALID_ARGUMENT", 400), strict=True):
            with pytest.raises(ServerError, match="label") as refused:
                client.predict(NAME, given, label="newest")
            assert refused.value.code == code
            client.close()


def test_labels_of_what_is_not_loaded_yet_end_a_server_that_was_not_told(base, tmp_path):
    with Server(tmp_path, {NAME: base}) as server:
        server.kill()
        export.label(base, {"stable": 1})
        server.start()
        assert server.process.wait(timeout=120) != 0
    assert "which is not currently available for inference" in server.log.read_text()


def test_a_version_and_a_label_are_too_much():
    for client in (GrpcClient("127.0.0.1:1"), RestClient("127.0.0.1:1")):
        with pytest.raises(ValueError, match="Received: version=1, label='stable'"):
            client.predict(NAME, {}, version=1, label="stable")
        client.close()


@pytest.mark.skipif(bool(REAL), reason="the double is not in use")
@pytest.mark.parametrize(
    ("asked", "before", "allows", "found"),
    [
        ({"a": 1}, {}, False, {"a": 1}),
        ({"a": 2}, {}, False, {}),
        ({"a": 2}, {}, True, {"a": 2}),
        ({"a": 2}, {"a": 1}, True, {"a": 1}),  # one that moves
        ({"a": 1, "b": 2}, {"b": 1}, False, {"b": 1}),  # all or none
        ({}, {"a": 1}, False, {}),
    ],
)
def test_the_double_takes_labels_over_as_the_server_does(asked, before, allows, found):
    configs = {"m": ModelConfig(name="m", version_labels=asked)}
    labels, refused = labelled(configs, {"m": {1}}, {"m": before} if before else {}, allows)
    assert labels.get("m", {}) == found and (refused is None) == (found == asked)
