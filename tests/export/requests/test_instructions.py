"""The instructions of `how_to_serve`, and the example requests in them."""

import json
import shlex

import keras
import numpy as np

from keras_attention import export
from keras_attention.export.requests.instructions import to_json
from keras_attention.export.requests.warmup import load_warmup_requests


def curl_commands(path):
    """Return the words of each curl line."""
    lines = [shlex.split(line) for line in export.how_to_serve(path).splitlines()]
    return [line for line in lines if line[:1] == ["curl"]]


def test_the_text_lists_the_signatures_and_the_docker_line(translator_export):
    *_, path = translator_export
    import tensorflow as tf

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
        "docker run -p 127.0.0.1:8501:8501 "
        f"--mount type=bind,source={path.parent},target=/models/translator,readonly "
        "-e MODEL_NAME=translator tensorflow/serving:TAG --max_num_load_retries=0"
    )
    tag, command = text.splitlines()[9:11]
    assert command == docker
    assert tag.startswith("# TAG: ") and tag.endswith(f"not older than {tf.__version__}")


def test_each_request_is_the_first_example_in_the_servers_json(translator_export):
    _, examples, path = translator_export
    bodies = {}
    for curl, _, body, address in curl_commands(path):
        assert (curl, address) == ("curl", "http://localhost:8501/v1/models/translator:predict")
        bodies[json.loads(body)["signature_name"]] = json.loads(body)["inputs"]
    assert list(bodies) == ["encode", "serving_default"]
    assert bodies["serving_default"] == {
        name: array.tolist() for name, array in examples[0].items()
    }
    assert bodies["encode"] == {"source": examples[0]["source"].tolist()}


def test_a_long_request_is_passed_to_curl_as_a_file(tmp_path):
    model = keras.Sequential([keras.Input((16, 16, 3), name="x"), keras.layers.Rescaling(2.0)])
    path = export.saved_model(model, tmp_path / "image")
    body = curl_commands(path)[0][2]
    assert body == f"@{path}/assets.extra/requests/serving_default.json"
    request = json.loads((path / "assets.extra/requests/serving_default.json").read_text())
    assert np.shape(request["inputs"]["x"]) == (1, 16, 16, 3)


def test_utf8_is_sent_as_text_and_other_bytes_in_base64():
    texts = np.array([["ä'".encode(), b"\xff"]], object)
    assert to_json(texts) == [["ä'", {"b64": "/w=="}]]
    assert to_json(np.array(b"a", object)) == "a"


def test_complex_numbers_are_served_without_json(tmp_path):
    x = keras.Input((2,), dtype="complex64", name="x")
    model = keras.Model(x, {"real": keras.ops.real(x), "same": keras.ops.flip(x, axis=1)})
    parts = (lambda y: {"y": model(y)["same"]}, [export.Spec("y", (None, 2), "complex64")])
    back = (lambda z: {"y": keras.ops.cast(z, "complex64")}, [export.Spec("z", (None,), "float32")])
    path = export.saved_model(model, tmp_path / "m", {"parts": parts, "back": back})
    assert curl_commands(path) == []
    assert not (path / "assets.extra" / "requests" / "back.json").exists()
    lines = export.how_to_serve(path).splitlines()
    assert any(line.startswith("# back: no request, because") for line in lines)
    assert not (path / "assets.extra" / "answers").exists()
    record = json.loads((path / "assets.extra" / "export.json").read_text())
    text = "not for REST, because JSON has no complex64"
    assert f"{text}: serving_default, output same" in record["remarks"]
    array = np.array([[1 + 2j, 3]], "complex64")
    answer = export.run_in_c_loader(path, "serving_default", {"x": array})
    np.testing.assert_array_equal(answer["same"], array[:, ::-1])


def test_requests_of_large_arrays_are_left_out_and_warm_up_stays_small(tmp_path):
    x = keras.Input((400, 400, 3), name="x")
    model = keras.Model(x, keras.layers.GlobalMaxPooling2D()(x))
    half = (lambda s: s / 2, [export.Spec("s", (None,), "float32")])
    path = export.saved_model(model, tmp_path / "image", {"half": half})
    assert sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) < 100_000
    assert [json.loads(words[2])["signature_name"] for words in curl_commands(path)] == ["half"]
    lines = export.how_to_serve(path).splitlines()
    assert any(line.startswith("# serving_default: no request, because its JSON") for line in lines)
    inputs = [inputs["x"] for name, inputs in load_warmup_requests(path) if "x" in inputs]
    assert [array.shape for array in inputs] == [(1, 400, 400, 3), (3, 400, 400, 3)]
    assert all(np.unique(array).size == 1 for array in inputs)


def test_the_users_own_large_example_is_the_warm_up_request(tmp_path):
    x = keras.Input((400, 400, 3), name="x")
    model = keras.Model(x, keras.layers.GlobalMaxPooling2D()(x))
    array = np.random.default_rng(0).random((1, 400, 400, 3), "float32")
    path = export.saved_model(model, tmp_path / "image", example={"x": array})
    ((_, inputs),) = load_warmup_requests(path)
    np.testing.assert_array_equal(inputs["x"], array)
    assert curl_commands(path) == []
