"""Describe a SavedModel's REST interface as an OpenAPI document."""

import argparse
import json
import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from keras_attention.export.checks.graph import load_meta_graph
from keras_attention.export.checks.reachable import list_signatures
from keras_attention.export.checks.report import find_version
from keras_attention.export.printable import to_printable
from keras_attention.export.signatures.signature import DEFAULT_SIGNATURE
from keras_attention.paths import resolve_parents


def openapi(path: str | os.PathLike) -> dict[str, Any]:
    """Return an OpenAPI 3.1 document of the REST interface that TensorFlow Serving gives a model.

    It describes the columnar format: `inputs` and `outputs`, by signature.
    `python -m keras_attention.export openapi DIR` prints it as JSON.

    Args:
        path: A version directory, or a model directory, of which the version with the highest
            number is taken.

    Returns:
        Dict that can be written as JSON.

    Raises:
        ValueError: If there is no SavedModel.

    Example:
    >>> import tempfile
    >>> model = keras.Sequential([keras.Input((2,), name="x"), keras.layers.Rescaling(3.0)])
    >>> path = keras_attention.export.saved_model(model, tempfile.mkdtemp() + "/triple")
    >>> document = keras_attention.export.openapi(path)
    >>> document["components"]["schemas"]["serving_default.inputs"]["properties"]["x"]["items"]
    {'type': 'array', 'items': {'type': 'number'}, 'minItems': 2, 'maxItems': 2}
    """
    path = resolve_parents(find_version(path), names=2)
    name = path.parent.name
    signatures = list_signatures(load_meta_graph(path))
    names = _make_schema_names(signatures)
    schemas = {"error": _describe_object({"error": {"type": "string"}})}
    for key, schema_name in names.items():
        schemas[f"{schema_name}.inputs"] = _describe_tensors(signatures[key].inputs)
        schemas[f"{schema_name}.outputs"] = _describe_tensors(signatures[key].outputs)
    predict = {
        "summary": "Answer a request of one signature",
        "requestBody": {
            "required": True,
            "content": _as_json(
                {"oneOf": [_describe_request(key, names[key]) for key in signatures]}
            ),
        },
        "responses": {
            "200": {
                "description": "The outputs of the signature",
                "content": _as_json(_describe_answer(signatures, names)),
            },
            "default": {"description": "An error", "content": _as_json(_refer("error"))},
        },
    }
    status = {
        "summary": "Return the state of each version",
        "responses": {"200": {"description": "The states", "content": _as_json({})}},
    }
    base = f"/v1/models/{name}"
    return {
        "openapi": "3.1.0",
        "info": {"title": name, "version": path.name},
        "paths": {
            f"{base}:predict": {"post": predict},
            **{
                f"{base}/{kind}s/{{{kind}}}:predict": {
                    "post": predict,
                    "parameters": [
                        {"name": kind, "in": "path", "required": True, "schema": {"type": dtype}}
                    ],
                }
                for kind, dtype in (("version", "integer"), ("label", "string"))
            },
            base: {"get": status},
        },
        "components": {"schemas": schemas},
    }


def _make_schema_names(signatures: Iterable[str]) -> dict[str, str]:
    """Return a different name for each signature, of the characters that OpenAPI allows."""
    names = {}
    for signature in signatures:
        name = re.sub(r"[^A-Za-z0-9._-]", "_", signature)
        while name in names.values():
            name += "_"
        names[signature] = name
    return names


def _describe_request(signature: str, schema_name: str) -> dict[str, Any]:
    """Return the schema of a request; only the default signature's name may be left out."""
    schema = _describe_object(
        {"signature_name": {"const": signature}, "inputs": _refer(f"{schema_name}.inputs")}
    )
    if signature == DEFAULT_SIGNATURE:
        schema["required"] = ["inputs"]
    return schema


def _describe_answer(signatures: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Return the schema of an answer; a server leaves out the name of a single output."""
    outputs = []
    for key, signature in signatures.items():
        if len(signature.outputs) == 1:
            (info,) = signature.outputs.values()
            outputs.append(_describe_tensor(info))
        else:
            outputs.append(_refer(f"{names[key]}.outputs"))
    return _describe_object({"outputs": {"anyOf": outputs}})


def _describe_tensors(infos: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of tensors by name, as nested arrays."""
    return _describe_object({key: _describe_tensor(info) for key, info in sorted(infos.items())})


def _describe_tensor(info: Any) -> dict[str, Any]:
    """Return the schema of a tensor."""
    import tensorflow as tf

    dtype = tf.as_dtype(info.dtype)
    if dtype == tf.string:  # Bytes that are not UTF-8 are sent in base64.
        schema = {"anyOf": [{"type": "string"}, _describe_object({"b64": {"type": "string"}})]}
    elif dtype == tf.bool:
        schema = {"type": "boolean"}
    else:
        schema: dict[str, Any] = {"type": "integer" if dtype.is_integer else "number"}
    if info.tensor_shape.unknown_rank:
        return {"description": f"{dtype.name}, nested to any depth"}
    for dim in reversed(info.tensor_shape.dim):
        schema = {"type": "array", "items": schema}
        if dim.size >= 0:
            schema |= {"minItems": dim.size, "maxItems": dim.size}
    return {"description": dtype.name, **schema}


def _describe_object(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of an object with exactly these properties."""
    return {
        "type": "object",
        "properties": dict(properties),
        "required": sorted(properties),
        "additionalProperties": False,
    }


def _as_json(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the description of a JSON body."""
    return {"application/json": {"schema": dict(schema)}}


def _refer(schema: str) -> dict[str, str]:
    """Return a reference to a schema of the document."""
    return {"$ref": f"#/components/schemas/{schema}"}


def main(arguments: Sequence[str]) -> int:
    """Print the document of a SavedModel; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m keras_attention.export openapi",
        description="Print an OpenAPI document of a SavedModel's REST interface.",
    )
    parser.add_argument("directory", metavar="DIR", help="a version or a model directory")
    try:
        document = openapi(parser.parse_args(arguments).directory)
    except ValueError as error:
        print("error:", to_printable(str(error)), file=sys.stderr)
        return 1
    print(json.dumps(document, indent=1, ensure_ascii=False))
    return 0
