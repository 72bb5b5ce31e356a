"""Answers and errors of the published models, by gRPC and REST."""

import json

import keras
import numpy as np
import pytest
import requests

if keras.backend.backend() != "tensorflow":
    pytest.skip("TensorFlow Serving serves what TensorFlow exports", allow_module_level=True)

from examples.served import GrpcClient, ServerError
from examples.served_rest import RestClient
from keras_attention.export import run_in_c_loader
from tests.serving.servers import PUBLISHED, find_published

DATES = np.array([b"4 de agosto de 2027", b"5 May 1999", b""], object)


@pytest.fixture(params=[GrpcClient, RestClient])
def client(request, model_server):
    is_grpc = request.param is GrpcClient
    client = request.param(model_server.grpc if is_grpc else model_server.rest)
    yield client
    client.close()


def post(model_server, path, body):
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    return requests.post(f"http://{model_server.rest}/v1/models/{path}", data=body, timeout=60)


@pytest.fixture(scope="module")
def loader_answer():
    return run_in_c_loader(find_published("translate_dates"), "decode", {"text": DATES})


def test_answers_are_those_of_the_loader_process(client, loader_answer):
    outputs = client.predict("translate_dates", {"text": DATES}, "decode").outputs
    assert outputs.keys() == loader_answer.keys()
    np.testing.assert_array_equal(outputs["date"], loader_answer["date"])
    np.testing.assert_allclose(outputs["alignments"], loader_answer["alignments"], atol=1e-5)


def test_a_request_may_name_a_version(client):
    assert client.states("ntm_copy") == {1: "AVAILABLE"}
    inputs = {"sequence": np.ones((1, 2, 9), "float32")}
    newest, first = (client.predict("ntm_copy", inputs, version=v).outputs for v in (None, 1))
    # REST names the single output differently, so the values are compared without their name.
    np.testing.assert_array_equal([*newest.values()], [*first.values()])


TOO_LONG = {"points": np.zeros((1, 4, 2), "float32"), "lengths": np.int32([5])}


@pytest.mark.parametrize(
    ("model", "inputs", "signature", "version", "codes", "message"),
    [
        ("nothing", {"text": DATES}, "decode", None, ("NOT_FOUND", 404), "nothing"),
        ("translate_dates", {"text": DATES}, "decode", 7, ("NOT_FOUND", 404), "7"),
        ("translate_dates", {"text": DATES}, "encode", None, ("INVALID_ARGUMENT", 400), "encode"),
        ("translate_dates", {"texts": DATES}, "decode", None, ("INVALID_ARGUMENT", 400), "texts"),
        ("translate_dates", {"text": [1, 2]}, "decode", None, ("INVALID_ARGUMENT", 400), "string"),
        ("translate_dates", {"text": [[b"a"]]}, "decode", None, ("INVALID_ARGUMENT", 400), "."),
        ("pointer_hull", TOO_LONG, "decode", None, ("INVALID_ARGUMENT", 400), "0 to the length"),
    ],
)
def test_an_invalid_request_is_refused_and_the_next_one_answered(
    client, model, inputs, signature, version, codes, message
):
    with pytest.raises(ServerError, match=message) as refusal:
        client.predict(model, inputs, signature, version)
    assert refusal.value.code in codes
    assert client.predict("translate_dates", {"text": DATES}, "decode").outputs["date"].size == 3


def test_a_request_may_select_outputs(model_server):
    client = GrpcClient(model_server.grpc)
    answer = client.predict("translate_dates", {"text": DATES}, "decode", outputs=["date"])
    assert answer.outputs.keys() == {"date"} and answer.version == 1
    with pytest.raises(ServerError, match="INVALID_ARGUMENT"):
        client.predict("translate_dates", {"text": DATES}, "decode", outputs=["dates"])
    client.close()


def test_clients_can_query_the_signatures(model_server):
    client = GrpcClient(model_server.grpc)
    decode = client.signatures("pointer_hull")["decode"]
    assert set(decode.inputs) == {"points", "lengths"}
    assert [dim.size for dim in decode.inputs["points"].tensor_shape.dim] == [-1, -1, 2]
    client.close()
    address = f"http://{model_server.rest}/v1/models/pointer_hull/metadata"
    metadata = requests.get(address, timeout=60).json()["metadata"]
    signatures = metadata["signature_def"]["signature_def"]
    assert set(signatures["decode"]["inputs"]) == {"points", "lengths"}


def test_rest_answers_row_by_row_to_instances(model_server):
    rows = [{"text": "4 Aug 2027"}, {"text": {"b64": "NSBNYXkgMTk5OQ=="}}]
    body = {"signature_name": "decode", "instances": rows}
    answer = post(model_server, "translate_dates:predict", body).json()["predictions"]
    assert [row["date"] for row in answer] == ["2027-08-04", "1999-05-05"]
    body["instances"] = ["4 Aug 2027"]
    answer = post(model_server, "translate_dates/versions/1:predict", body).json()["predictions"]
    assert answer[0]["date"] == "2027-08-04"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe",
        [],
        {},
        {"instances": []},
        {"instances": 3},
        {"instances": [{"text": "a"}, {"words": "a"}]},
        {"instances": ["a"], "inputs": ["a"]},
        {"inputs": {"text": [["a"], "b"]}},
        {"inputs": {"text": [None]}},
        {"inputs": {"text": [{"b64": "*"}]}},
        {"inputs": {"text": 1e999}},
    ],
)
def test_a_malformed_body_is_refused(model_server, body):
    if isinstance(body, dict):
        body = {"signature_name": "decode", **body}
    answer = post(model_server, "translate_dates:predict", body)
    assert answer.status_code == 400 and answer.json()["error"]


def test_the_example_requests_of_every_export_are_answered(model_server):
    for name in PUBLISHED:
        files = [*find_published(name).glob("assets.extra/requests/*.json")]
        assert files
        for file in files:
            answer = post(model_server, f"{name}:predict", file.read_bytes())
            assert answer.status_code == 200, (file, answer.text)
