"""What saved_models/README.md tells a newcomer to type is answered, by what its files say."""

import re
import shlex

import keras
import pytest
import requests
from google.protobuf import text_format

if keras.backend.backend() != "tensorflow":
    pytest.skip("TensorFlow Serving serves what TensorFlow exports", allow_module_level=True)

from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

from examples import manifest
from examples.served import GrpcClient
from tests.serving.servers import SAVED_MODELS

TEXT = (SAVED_MODELS / "README.md").read_text(encoding="utf-8")
MANIFEST = manifest.read(SAVED_MODELS)


def test_every_published_model_is_in_the_servers_configuration():
    text = (SAVED_MODELS / "models.config").read_text()
    config = text_format.Parse(text, ModelServerConfig()).model_config_list.config
    assert {one.name: one.base_path for one in config} == {n: f"/models/{n}" for n in MANIFEST}


def test_the_table_has_every_signature_with_its_inputs_and_outputs(published):
    client, told, name, said = GrpcClient(published.grpc), {}, None, ""
    for row in re.findall(r"^\| (`.*|) ?\| (`.*`) \| (.*) \|$", TEXT, re.MULTILINE):
        name = row[0].strip("` ") or name
        for signature in re.findall("`(.*?)`", row[1]):
            told[name, signature] = row[2] + (said if "the same" in row[2] else "")
        said = row[2]
    served = {
        (model, signature): [*one.inputs, *one.outputs]
        for model in MANIFEST
        for signature, one in client.signatures(model).items()
    }
    client.close()
    assert told.keys() == served.keys()
    for kind, names in served.items():
        missing = [each for each in names if f"`{each}`" not in told[kind]]
        assert not missing, (kind, missing)


def test_each_model_has_a_curl_line_that_is_answered(published):
    lines = re.findall(r"curl -d .*\\\n.*:predict", TEXT)
    asked = set()
    for line in lines:
        _, _, data, address = shlex.split(line.replace("\\\n", ""))
        if data.startswith("@"):
            data = (SAVED_MODELS.parent / data[1:]).read_bytes()
        place = address.replace("localhost:8501", published.rest)
        answer = requests.post(place, data=data, timeout=60)
        assert answer.status_code == 200 and answer.json()["outputs"], line
        asked.add(re.search("models/(.*):predict", address)[1])
    assert asked == set(MANIFEST)


def test_each_model_has_a_grpc_call_that_is_answered(published, capsys):
    (block,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    assert all(f'"{name}"' in block for name in MANIFEST)
    exec(block.replace("localhost:8500", published.grpc), {})
    assert "2027-08-04" in capsys.readouterr().out
