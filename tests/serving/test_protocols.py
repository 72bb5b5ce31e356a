"""What a client of the published models is told, by gRPC and REST, in good and bad weather."""

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
from tests.serving.servers import SAVED_MODELS

DATES = np.array([b"4 de agosto de 2027", b"5 May 1999", b""], object)


@pytest.fixture(params=[GrpcClient, RestClient])
def client(request, published):
    is_grpc = request.param is GrpcClient
    made = request.param(published.grpc if is_grpc else published.rest)
    yield made
    made.close()


def post(published, path, body):
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    return requests.post(f"http://{published.rest}/v1/models/{path}", data=body, timeout=60)


def test_answers_are_the_loaders(client):
    expected = run_in_c_loader(SAVED_MODELS / "translate_dates/1", "decode", {"text": DATES})
    found = client.predict("translate_dates", {"text": DATES}, "decode").outputs
    assert found.keys() == expected.keys()
    np.testing.assert_array_equal(found["date"], expected["date"])
    np.testing.assert_allclose(found["alignments"], expected["alignments"], atol=1e-5)


def test_a_version_may_be_asked_for(client):
    assert client.states("ntm_copy") == {1: "AVAILABLE"}
    given = {"sequence": np.ones((1, 2, 9), "float32")}
    newest, first = (client.predict("ntm_copy", given, version=v).outputs for v in (None, 1))
    np.testing.assert_array_equal(*(next(iter(found.values())) for found in (newest, first)))


TOO_LONG = {"points": np.zeros((1, 4, 2), "float32"), "lengths": np.int32([5])}


@pytest.mark.parametrize(
    ("model", "inputs", "signature", "version", "codes", "said"),
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
def test_a_wrong_request_is_refused_and_the_next_one_answered(
    client, model, inputs, signature, version, codes, said
):
    with pytest.raises(ServerError, match=said) as refused:
        client.predict(model, inputs, signature, version)
    assert refused.value.code in codes
    assert client.predict("translate_dates", {"text": DATES}, "decode").outputs["date"].size == 3


def test_only_the_outputs_that_were_asked_for_are_sent(published):
    client = GrpcClient(published.grpc)
    found = client.predict("translate_dates", {"text": DATES}, "decode", outputs=["date"])
    assert found.outputs.keys() == {"date"} and found.version == 1
    with pytest.raises(ServerError, match="INVALID_ARGUMENT"):
        client.predict("translate_dates", {"text": DATES}, "decode", outputs=["dates"])
    client.close()


def test_signatures_are_told_to_clients(published):
    client = GrpcClient(published.grpc)
    decode = client.signatures("pointer_hull")["decode"]
    assert set(decode.inputs) == {"points", "lengths"}
    assert [dim.size for dim in decode.inputs["points"].tensor_shape.dim] == [-1, -1, 2]
    client.close()
    place = f"http://{published.rest}/v1/models/pointer_hull/metadata"
    found = requests.get(place, timeout=60).json()["metadata"]["signature_def"]["signature_def"]
    assert set(found["decode"]["inputs"]) == {"points", "lengths"}


def test_rows_by_rest(published):
    rows = [{"text": "4 Aug 2027"}, {"text": {"b64": "NSBNYXkgMTk5OQ=="}}]
    body = {"signature_name": "decode", "instances": rows}
    answer = post(published, "translate_dates:predict", body).json()["predictions"]
    assert [row["date"] for row in answer] == ["2027-08-04", "1999-05-05"]
    body["instances"] = ["4 Aug 2027"]
    answer = post(published, "translate_dates/versions/1:predict", body).json()["predictions"]
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
def test_a_malformed_body_is_refused(published, body):
    if isinstance(body, dict):
        body = {"signature_name": "decode", **body}
    answer = post(published, "translate_dates:predict", body)
    assert answer.status_code == 400 and answer.json()["error"]


def test_the_requests_that_an_export_brings_along_are_answered(published):
    for file in SAVED_MODELS.glob("*/1/assets.extra/requests/*.json"):
        name = file.relative_to(SAVED_MODELS).parts[0]
        answer = post(published, f"{name}:predict", file.read_bytes())
        assert answer.status_code == 200, (file, answer.text)
