import json
import shlex

import keras
import numpy as np

from keras_attention import export
from keras_attention.export.requests.instructions import _to_json


def requests(path):
    """The curl lines."""
    lines = [shlex.split(line) for line in export.how_to_serve(path).splitlines()]
    return [line for line in lines if line[:1] == ["curl"]]


def test_the_text_says_what_can_be_asked_and_how(exported):
    *_, path = exported
    text = export.how_to_serve(path)
    assert text.splitlines()[:8] == [
        "encode",
        "  input  source: int32 (?, ?)",
        "  output output: float32 (?, 7)",
        "serving_default",
        "  input  source: int32 (?, ?)",
        "  input  target: int32 (?, ?)",
        "  output logits: float32 (?, ?, 11)",
        "  output summary: float32 (?, 7)",
    ]
    docker = (
        f"docker run -p 8501:8501 --mount type=bind,source={path.parent},target=/models/translator "
        "-e MODEL_NAME=translator tensorflow/serving"
    )
    assert docker in text


def test_each_request_is_the_first_example_as_a_server_reads_it(exported):
    _, examples, path = exported
    bodies = {}
    for curl, _, body, address in requests(path):
        assert (curl, address) == ("curl", "http://localhost:8501/v1/models/translator:predict")
        bodies[json.loads(body)["signature_name"]] = json.loads(body)["inputs"]
    assert list(bodies) == ["encode", "serving_default"]
    assert bodies["serving_default"] == {n: array.tolist() for n, array in examples[0].items()}
    assert bodies["encode"] == {"source": examples[0]["source"].tolist()}


def test_a_long_request_is_sent_from_its_file(tmp_path):
    model = keras.Sequential([keras.Input((16, 16, 3), name="x"), keras.layers.Rescaling(2.0)])
    path = export.saved_model(model, tmp_path / "image")
    body = requests(path)[0][2]
    assert body == f"@{path}/assets.extra/requests/serving_default.json"
    request = json.loads((path / "assets.extra/requests/serving_default.json").read_text())
    assert np.shape(request["inputs"]["x"]) == (1, 16, 16, 3)


def test_text_goes_into_a_request_as_text_and_other_bytes_in_base64():
    texts = np.array([["ä'".encode(), b"\xff"]], object)
    assert _to_json(texts) == [["ä'", {"b64": "/w=="}]]
    assert _to_json(np.array(b"a", object)) == "a"
