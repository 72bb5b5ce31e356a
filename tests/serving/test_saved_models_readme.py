"""saved_models/README.md: its table is complete, and a server answers all of its requests."""

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


def test_models_config_has_every_published_model():
    text = (SAVED_MODELS / "models.config").read_text()
    config = text_format.Parse(text, ModelServerConfig()).model_config_list.config
    assert {entry.name: entry.base_path for entry in config} == {
        name: f"/models/{name}" for name in MANIFEST
    }


def test_the_table_has_every_signature_with_its_inputs_and_outputs(model_server):
    client, described, name = GrpcClient(model_server.grpc), {}, None
    for row in re.findall(r"^\| (`.*|) ?\| (`.*`) \| (.*) \|$", TEXT, re.MULTILINE):
        name = row[0].strip("` ") or name
        for signature in re.findall("`(.*?)`", row[1]):
            described[name, signature] = row[2]
    served = {
        (model, name): [*signature.inputs, *signature.outputs]
        for model in MANIFEST
        for name, signature in client.signatures(model).items()
    }
    client.close()
    assert described.keys() == served.keys()
    for kind, names in served.items():
        missing = [name for name in names if f"`{name}`" not in described[kind]]
        assert not missing, (kind, missing)


def test_the_curl_line_of_each_model_is_answered(model_server):
    lines = re.findall(r"curl -d .*\\\n.*:predict", TEXT)
    models = set()
    for line in lines:
        _, _, data, address = shlex.split(line.replace("\\\n", ""))
        if data.startswith("@"):
            data = (SAVED_MODELS.parent / data[1:]).read_bytes()
        address = address.replace("localhost:8501", model_server.rest)
        answer = requests.post(address, data=data, timeout=60)
        assert answer.status_code == 200 and answer.json()["outputs"], line
        models.add(re.search("models/(.*):predict", address)[1])
    assert models == set(MANIFEST)


def test_the_grpc_call_of_each_model_is_answered(model_server, capsys):
    (block,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    assert all(f'"{name}"' in block for name in MANIFEST)
    exec(block.replace("localhost:8500", model_server.grpc), {})
    assert "2027-08-04" in capsys.readouterr().out
