"""How to serve a SavedModel and what to send it, in lines that can be copied."""

import base64
import json
import shlex
import urllib.parse
from pathlib import Path

from keras_attention.export.checks.graph import read

REQUESTS = Path("assets.extra") / "requests"
LONGEST = 1000  # characters of a request that are still pleasant in a terminal


def write_requests(path, calls):
    """Keeps the first call of every signature as the body of a REST request."""
    (path / REQUESTS).mkdir(parents=True)
    for call in reversed(calls):
        name = call.signature.name
        columns = {key: _to_json(array) for key, array in call.inputs.items()}
        body = {"signature_name": name, "inputs": columns}
        _request(path, name).write_text(json.dumps(body, ensure_ascii=False), encoding="utf-8")


def _request(path, signature):
    return path / REQUESTS / f"{urllib.parse.quote(signature, safe='')}.json"


def how_to_serve(path):
    """Says what a SavedModel can be asked, and how to start a server and send a request.

    Args:
        path: A version directory that `keras_attention.export.saved_model` wrote.

    Returns:
        A text: each signature with the names, dtypes and shapes of its inputs and outputs (`?`
        is a dimension free to vary), the `docker run` line, and for each signature a `curl` line
        with an example.

    Example:
    >>> import tempfile
    >>> model = keras.Sequential([keras.Input((2,), name="x"), keras.layers.Rescaling(3.0)])
    >>> path = keras_attention.export.saved_model(model, tempfile.mkdtemp())
    >>> print(keras_attention.export.how_to_serve(path))  # doctest: +ELLIPSIS
    serving_default
      input  x: float32 (?, 2)
      output output: float32 (?, 2)
    <BLANKLINE>
    docker run -p 8501:8501 --mount type=bind,...
    curl -d '{"signature_name": "serving_default", "inputs": {"x": ...
    """
    path = Path(path).resolve()
    name = path.parent.name
    mount = f"type=bind,source={path.parent},target=/models/{name}"
    serve = ["docker", "run", "-p", "8501:8501", "--mount", mount, "-e", f"MODEL_NAME={name}"]
    address = f"http://localhost:8501/v1/models/{name}:predict"
    lines = [*describe(path), "", shlex.join([*serve, "tensorflow/serving"])]
    for request in sorted((path / REQUESTS).iterdir()):
        body = request.read_text(encoding="utf-8")
        data = body if len(body) <= LONGEST else f"@{request}"
        lines.append(shlex.join(["curl", "-d", data, address]))
    return "\n".join(lines)


def describe(path):
    """Yields a line for each signature, each input and each output of a version directory."""
    import tensorflow as tf

    signatures = read(path).signature_def
    for name in sorted(name for name in signatures if not name.startswith("__")):
        yield name
        for kind, infos in (
            ("input ", signatures[name].inputs),
            ("output", signatures[name].outputs),
        ):
            for key in sorted(infos):
                dtype, shape = infos[key].dtype, infos[key].tensor_shape
                sizes = ["?" if dim.size < 0 else str(dim.size) for dim in shape.dim]
                known = "of any shape" if shape.unknown_rank else f"({', '.join(sizes)})"
                yield f"  {kind} {key}: {tf.dtypes.as_dtype(dtype).name} {known}"


def _to_json(array):
    """Nested lists; text that is not UTF-8 as TensorFlow Serving's {"b64": …}."""

    def text(value):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return {"b64": base64.b64encode(value).decode()}

    def convert(value):
        if isinstance(value, list):
            return [convert(item) for item in value]
        return text(value) if isinstance(value, bytes) else value

    return convert(array.tolist())
