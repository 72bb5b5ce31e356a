"""The OpenAPI document of an export: its schemas accept the export's requests and answers."""

import json
import re

import keras
import pytest

import keras_attention
from keras_attention import export
from keras_attention.export.__main__ import main
from keras_attention.export.requests.record import ANSWERS
from tests.export.checks.test_trial_requests import edit

TYPES = {"string": str, "boolean": bool, "integer": int, "number": (int, float)}


def is_valid(document, schema, value):
    """Return True if a JSON value matches a schema, of which the document uses few keywords."""
    if "$ref" in schema:
        schema_, *keys = document, *schema["$ref"].removeprefix("#/").split("/")
        for key in keys:
            schema_ = schema_[key]
        return is_valid(document, schema_, value)
    if "const" in schema:
        return value == schema["const"]
    for keyword, accepts in (("oneOf", lambda n: n == 1), ("anyOf", lambda n: n >= 1)):
        if keyword in schema:
            return accepts(sum(is_valid(document, part, value) for part in schema[keyword]))
    if schema["type"] == "object":
        return (
            isinstance(value, dict)
            and set(schema["required"]) <= value.keys() <= schema["properties"].keys()
            and all(is_valid(document, schema["properties"][key], value[key]) for key in value)
        )
    if schema["type"] == "array":
        low, high = schema.get("minItems", 0), schema.get("maxItems", float("inf"))
        return (
            isinstance(value, list)
            and low <= len(value) <= high
            and all(is_valid(document, schema["items"], item) for item in value)
        )
    is_flag = isinstance(value, bool) and schema["type"] != "boolean"
    return isinstance(value, TYPES[schema["type"]]) and not is_flag


def list_references(value):
    """Return all `$ref` of a document."""
    if isinstance(value, list):
        return [reference for item in value for reference in list_references(item)]
    if not isinstance(value, dict):
        return []
    return [value["$ref"]] if "$ref" in value else list_references([*value.values()])


def find_schemas(document, path):
    """Return the schemas of a request and of its answer."""
    operation = document["paths"][path]["post"]
    contents = operation["requestBody"], operation["responses"]["200"]
    return [content["content"]["application/json"]["schema"] for content in contents]


def test_the_requests_and_answers_of_an_export_are_valid(translator_export):
    *_, path = translator_export
    document = export.openapi(path)
    assert document == json.loads(json.dumps(document))
    request, answer = find_schemas(document, "/v1/models/translator:predict")
    for file in (path / "assets.extra/requests").iterdir():
        body = json.loads(file.read_text())
        assert is_valid(document, request, body)
        assert not is_valid(document, request, {**body, "signature_name": "none"})
        assert not is_valid(document, request, {**body, "inputs": {}})
        outputs = json.loads((path / ANSWERS / file.name).read_text())["outputs"]
        outputs = next(iter(outputs.values())) if len(outputs) == 1 else outputs
        assert is_valid(document, answer, {"outputs": outputs})
    assert not is_valid(document, answer, {"outputs": "a"})
    inputs = {"source": [[1]], "target": [[2]]}
    assert is_valid(document, request, {"inputs": inputs})
    assert not is_valid(document, request, {"inputs": {**inputs, "source": [[1.5]]}})
    assert not is_valid(document, request, {"inputs": {**inputs, "source": [1]}})


def test_names_that_openapi_does_not_allow_are_replaced(tmp_path):
    x = keras.Input((None, 4), name="x")
    hidden = keras.Input((None, 4))
    pooling = keras_attention.AttentionPooling(name="pooling")
    encoder = keras.Model(hidden, pooling(hidden), name="encoder")
    model = keras.Model(x, encoder(x))
    path = export.saved_model(model, tmp_path / "m", {"attention": export.attention_of(model)})

    def add(saved_model):
        """Add names that other programs may write."""
        for name in ("all/ids", "all ids"):
            signatures = saved_model.meta_graphs[0].signature_def
            signatures[name].CopyFrom(signatures["attention"])

    edit(path, add)
    document = export.openapi(path)
    schemas = document["components"]["schemas"]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+", name) for name in schemas)
    assert {"all_ids.inputs", "all_ids_.inputs"} <= schemas.keys()
    references = list_references(document)
    assert references and all(
        reference.removeprefix("#/components/schemas/") in schemas for reference in references
    )
    request, answer = find_schemas(document, "/v1/models/m:predict")
    for file in (path / "assets.extra/requests").iterdir():
        assert is_valid(document, request, json.loads(file.read_text()))
    assert schemas["attention.outputs"]["properties"].keys() == {"encoder/pooling"}
    assert is_valid(document, answer, {"outputs": [[0.5, 0.5]]})


def test_versions_and_labels_are_addressed_by_parameters(translator_export):
    *_, path = translator_export
    paths = export.openapi(path.parent)["paths"]
    for kind in ("version", "label"):
        item = paths[f"/v1/models/translator/{kind}s/{{{kind}}}:predict"]
        assert [parameter["name"] for parameter in item["parameters"]] == [kind]


def test_the_command_prints_the_document(translator_export, tmp_path, capsys):
    *_, path = translator_export
    assert main(["openapi", str(path)]) == 0
    assert json.loads(capsys.readouterr().out) == export.openapi(path)
    assert main(["openapi", str(tmp_path)]) == 1
    with pytest.raises(ValueError, match="Expected `path` to be a SavedModel"):
        export.openapi(tmp_path)
