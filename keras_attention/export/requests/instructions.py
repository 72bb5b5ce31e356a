"""Describe how to serve and query a SavedModel, with commands that can be copied."""

import base64
import json
import os
import shlex
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from keras_attention.export.checks.graph import load_meta_graph, needs_xla
from keras_attention.export.checks.reachable import list_signatures
from keras_attention.export.checks.server_operations import XLA_FLAG
from keras_attention.export.requests.call import Call
from keras_attention.paths import resolve_parents, to_local_path

REQUESTS = Path("assets.extra") / "requests"
MAX_BODY_BYTES = 2**20
MAX_INLINE_CHARACTERS = 1000  # longer requests are passed to curl as a file


def write_requests(path: Path, calls: list[Call]) -> dict[str, Call]:
    """Write a call of every signature as the body of a REST request.

    Args:
        path: The version directory.
        calls: List of `Call`. The first call of a signature is written whose body has at most
            `MAX_BODY_BYTES`.

    Returns:
        The call that was written, by the signature's name. There is none for a signature with
        complex inputs or outputs, which a server does not answer by REST.
    """
    signatures = list_signatures(load_meta_graph(path))
    (path / REQUESTS).mkdir(parents=True)
    written = {}
    for call in calls:
        name = call.signature.name
        if name in written or _has_complex_numbers(signatures[name]):
            continue
        # An element takes three characters at least: a digit, a comma and a space.
        if 3 * sum(array.size for array in call.inputs.values()) > MAX_BODY_BYTES:
            continue
        columns = {key: to_json(array) for key, array in call.inputs.items()}
        body = {"signature_name": name, "inputs": columns}
        text = json.dumps(body, ensure_ascii=False).encode()
        if len(text) <= MAX_BODY_BYTES:
            request_file(path, name).write_bytes(text)
            written[name] = call
    return written


def request_file(path: Path, signature: str) -> Path:
    """Return the file of a signature's example request."""
    return path / REQUESTS / f"{urllib.parse.quote(signature, safe='')}.json"


def how_to_serve(path: str | os.PathLike) -> str:
    """Describe a SavedModel's signatures, and how to start a server and send it a request.

    Args:
        path: A version directory that `keras_attention.export.saved_model` wrote.

    Returns:
        Text with the names, dtypes and shapes of each signature's inputs and outputs (`?` is a
        dimension of any size), a `docker run` command in which you replace TAG, and for each
        signature a `curl` command that sends an example, unless its JSON would be larger than 1 MB,
        or its inputs or outputs are complex.
        The `docker run` command enables XLA if the signatures need it.

    Raises:
        ValueError: If `path` is not a version directory.

    Example:
    >>> import tempfile
    >>> model = keras.Sequential([keras.Input((2,), name="x"), keras.layers.Rescaling(3.0)])
    >>> path = keras_attention.export.saved_model(model, tempfile.mkdtemp())
    >>> print(keras_attention.export.how_to_serve(path))  # doctest: +ELLIPSIS
    serving_default
      input  x: float32 (?, 2)
      output output: float32 (?, 2)
    <BLANKLINE>
    # TAG: a release of tensorflow/serving whose TensorFlow is not older than ...
    docker run -p 127.0.0.1:8501:8501 --mount type=bind,...
    curl -d '{"signature_name": "serving_default", "inputs": {"x": ...
    """
    path = resolve_parents(to_local_path("path", path), names=2)
    if not (path / "saved_model.pb").is_file():
        raise ValueError(
            "Expected `path` to be a version directory, which holds saved_model.pb. "
            f"Received: path={str(path)!r}"
        )
    name = path.parent.name
    mount = f"type=bind,source={path.parent},target=/models/{name},readonly"
    serve = ["docker", "run", "-p", "127.0.0.1:8501:8501", "--mount", mount]
    # Loading a broken version again would hold up the new versions of all models.
    serve += ["-e", f"MODEL_NAME={name}", "tensorflow/serving:TAG", "--max_num_load_retries=0"]
    address = f"http://localhost:8501/v1/models/{name}:predict"
    meta = load_meta_graph(path)
    serve += [XLA_FLAG] if needs_xla(meta) else []
    version = meta.meta_info_def.tensorflow_version
    tag = f"# TAG: a release of tensorflow/serving whose TensorFlow is not older than {version}"
    lines = [*describe_signatures(path), "", tag, shlex.join(serve)]
    for name in list_signatures(meta):
        request = request_file(path, name)
        if not request.exists():
            reason = "its JSON would be too large, or JSON has no values of its dtypes"
            lines.append(f"# {name}: no request, because {reason}; use gRPC")
            continue
        body = request.read_text(encoding="utf-8")
        data = body if len(body) <= MAX_INLINE_CHARACTERS else f"@{request}"
        lines.append(shlex.join(["curl", "-d", data, address]))
    return "\n".join(lines)


def describe_signatures(path: str | os.PathLike) -> Iterator[str]:
    """Yield a line for each signature, input and output of a version directory."""
    import tensorflow as tf

    for name, signature in list_signatures(load_meta_graph(path)).items():
        yield name
        for kind, infos in (("input ", signature.inputs), ("output", signature.outputs)):
            for key in sorted(infos):
                dtype, shape = infos[key].dtype, infos[key].tensor_shape
                sizes = ["?" if dim.size < 0 else str(dim.size) for dim in shape.dim]
                text = "of any shape" if shape.unknown_rank else f"({', '.join(sizes)})"
                yield f"  {kind} {key}: {tf.dtypes.as_dtype(dtype).name} {text}"


def _has_complex_numbers(signature: Any) -> bool:
    """Return True if an input or an output of a SignatureDef is complex; JSON cannot hold it."""
    import tensorflow as tf

    infos = [*signature.inputs.values(), *signature.outputs.values()]
    return any(tf.dtypes.as_dtype(info.dtype).is_complex for info in infos)


def to_json(array: np.ndarray) -> Any:
    """Convert an array to nested lists; text that is not UTF-8 becomes {"b64": …}."""

    def convert(value):
        if isinstance(value, list):
            return [convert(item) for item in value]
        if not isinstance(value, bytes):
            return value
        try:
            return value.decode()
        except UnicodeDecodeError:  # TensorFlow Serving decodes base64 in this form.
            return {"b64": base64.b64encode(value).decode()}

    return convert(array.tolist())
