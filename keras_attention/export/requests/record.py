"""Write a record of the export, and the answers to its example requests."""

import importlib.metadata
import json
import platform
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_attention.export.checks.changing_answers import find_changing_signatures
from keras_attention.export.checks.graph import find_graph_remarks, load_meta_graph, needs_xla
from keras_attention.export.checks.half_precision import find_half_precision_outputs
from keras_attention.export.requests.call import Call
from keras_attention.export.requests.instructions import REQUESTS, request_file, to_json
from keras_attention.export.signatures.signature import Signature

FILE = Path("assets.extra") / "export.json"
ANSWERS = Path("assets.extra") / "answers"
PACKAGES = ("keras-attention-layers", "keras", "tensorflow", "numpy")
MAX_ANSWER_CHARACTERS = 1_000_000

Outputs = Mapping[str, np.ndarray]


def write_record(
    path: Path,
    calls: Sequence[Call],
    checked: Sequence[tuple[Outputs, Outputs]],
    requests: Mapping[str, Call],
) -> None:
    """Write `assets.extra/export.json`, and an answer for each of `assets.extra/requests`.

    A signature that may answer the same request differently at another time gets no answer.

    The record has no date, so that two exports of a model can have the same bytes.

    Args:
        path: The version directory, which holds the graph and the example requests.
        calls: List of `Call`.
        checked: For each call, the outputs of the export and those of the model.
        requests: The call in `assets.extra/requests` by the signature's name.
    """
    meta = load_meta_graph(path)
    changing = find_changing_signatures(meta)
    record = {
        "versions": {"python": platform.python_version(), **_find_package_versions()},
        "commit": _find_commit(),
        "signatures": {
            call.signature.name: {
                "inputs": _describe_inputs(call.signature),
                "outputs": _describe_outputs(path, call.signature.name),
                "reproducible": call.signature.name not in changing,
            }
            for call in calls
        },
        "examples": [
            {
                "signature": call.signature.name,
                "shapes": {name: list(array.shape) for name, array in call.inputs.items()},
            }
            for call in calls
        ],
        "largest_difference": max((find_largest_difference(*pair) for pair in checked), default=0),
        "half_precision": bool(find_half_precision_outputs(meta)),
        "xla": needs_xla(meta),
        "remarks": list(find_graph_remarks(meta)),
    }
    text = json.dumps(record, indent=1, ensure_ascii=False) + "\n"
    (path / FILE).write_text(text, encoding="utf-8")
    for call, (answer, _) in zip(calls, checked, strict=True):
        name = call.signature.name
        if call is requests.get(name) and name not in changing:
            _write_answer(path, name, answer)


def find_largest_difference(answer: Outputs, expected: Outputs) -> float:
    """Return the largest absolute difference of any number that is finite in both."""
    largest = 0.0
    for name, array in expected.items():
        if array.dtype == object or array.dtype.kind == "b":
            continue
        dtype = "complex128" if array.dtype.kind == "c" else "float64"
        with np.errstate(invalid="ignore"):  # infinity minus infinity
            error = np.abs(answer[name].astype(dtype) - array.astype(dtype))
        largest = max(largest, float(np.max(error, initial=0, where=np.isfinite(error))))
    return largest


def _write_answer(path: Path, signature: str, answer: Outputs) -> None:
    """Write the answer to an example request, in the form in which a server sends it by REST."""
    # The order in which the loader returns outputs is different in each process.
    columns = {name: to_json(array) for name, array in sorted(answer.items())}
    text = json.dumps({"outputs": columns}, ensure_ascii=False)
    if len(text) <= MAX_ANSWER_CHARACTERS:
        file = path / ANSWERS / request_file(path, signature).relative_to(path / REQUESTS)
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")


def _describe_inputs(signature: Signature) -> dict[str, dict[str, Any]]:
    """Return the dtype and the shape of each input; sizes are numbers, names or None."""
    return {
        spec.name: {"dtype": spec.dtype, "shape": list(spec.shape), "below": spec.below}
        for spec in signature.inputs
    }


def _describe_outputs(path: Path, name: str) -> dict[str, dict[str, Any]]:
    """Return the dtype and the shape of each output; an unknown size is None."""
    import tensorflow as tf

    outputs = load_meta_graph(path).signature_def[name].outputs
    return {
        key: {
            "dtype": tf.as_dtype(info.dtype).name,
            "shape": None
            if info.tensor_shape.unknown_rank
            else [None if dim.size < 0 else dim.size for dim in info.tensor_shape.dim],
        }
        for key, info in sorted(outputs.items())
    }


def _find_package_versions() -> dict[str, str | None]:
    """Return the version of each package that makes an export; None for one not installed."""
    from keras_attention import __version__  # it imports this module

    # This package may be imported from a folder in which it is not installed.
    versions: dict[str, str | None] = {PACKAGES[0]: __version__, "keras": keras.__version__}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:  # such as tensorflow, for tensorflow-cpu
            versions.setdefault(name, None)
    return versions


def _find_commit() -> str | None:
    """Return the commit of the git checkout that is the current folder; None if there is none."""
    try:
        process = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):  # no git, or a slow file system
        return None
    return process.stdout.strip() or None
