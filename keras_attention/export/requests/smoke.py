"""Send an export's example requests to a running server, and compare the answers."""

import argparse
import json
import os
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from keras_attention.export.checks.report import find_version
from keras_attention.export.printable import to_printable
from keras_attention.export.requests.instructions import REQUESTS
from keras_attention.export.requests.record import ANSWERS, FILE
from keras_attention.paths import resolve_parents

# Relative to the value, and to the output's largest magnitude: another processor sums in another
# order.
TOLERANCE, HALF_TOLERANCE = 1e-3, 0.05
# An output may hold one value, such as -1e9 for a masked key, that is far larger than the others.
MAX_MAGNITUDE = 10


def smoke(
    address: str,
    path: str | os.PathLike,
    name: str | None = None,
    headers: Mapping[str, str] | None = None,
    timeout: float = 60,
) -> tuple[list[str], list[str]]:
    """Test a running server with the requests and answers that are part of an export.

    Every request in `assets.extra/requests` is sent by REST to the version that `path` names. The
    answer must be that in `assets.extra/answers`: floats within 1/1000 of the value, plus 1/1000 of
    the output's largest magnitude or of 10, if that is less (1/20, if the graph computes in half
    precision); anything else exactly. Answers of graphs with random numbers or other state are not
    kept, nor those longer than a million characters; for these, a server must only answer, and the
    last line says so if no answer at all was compared.

    Args:
        address: Of the server's REST port: "host:port", or a URL that may be `https://` and may
            have a path.
        path: A version directory, or a model directory, of which the version with the highest
            number is taken.
        name: The name under which the model is served. Default: the name of its directory.
        headers: Dict of HTTP headers, such as `{"Authorization": "Bearer …"}`. Default None.
        timeout: Seconds that a request may take. Default 60.

    Returns:
        Two lists of lines: a line for each request without a problem, and the problems (an empty
        list if there are none). Characters that are not printable are escaped.

    Raises:
        ValueError: If there is no SavedModel, or if it has no example requests.

    Example:
    >>> import tempfile
    >>> model = keras.Sequential([keras.Input((2,), name="x"), keras.layers.Rescaling(3.0)])
    >>> path = keras_attention.export.saved_model(model, tempfile.mkdtemp())
    >>> lines, problems = keras_attention.export.smoke("localhost:1", path)
    >>> print(problems[0])  # doctest: +ELLIPSIS
    serving_default: Expected an answer of the server. Received: ...Connection refused...
    """
    path = resolve_parents(find_version(path), names=2)
    requests = sorted((path / REQUESTS).glob("*.json"))
    if not requests:
        raise ValueError(
            "Expected an export with example requests, which `saved_model` writes. "
            f"Received: {path}, without {REQUESTS}"
        )
    base = address if "://" in address else f"http://{address}"
    url = f"{base.rstrip('/')}/v1/models/{name or path.parent.name}/versions/{path.name}:predict"
    record = json.loads((path / FILE).read_text(encoding="utf-8")) if (path / FILE).exists() else {}
    tolerance = HALF_TOLERANCE if record.get("half_precision") else TOLERANCE
    lines, problems, compared = [], [], 0
    for request in requests:
        started = time.monotonic()
        body = request.read_bytes()
        signature = json.loads(body)["signature_name"]
        outputs, problem = _send(url, body, headers or {}, timeout)
        milliseconds = 1000 * (time.monotonic() - started)
        kept = path / ANSWERS / request.name
        differences = [problem] if problem else []
        if not problem and kept.exists():
            differences = [*find_differences(outputs, json.loads(kept.read_bytes()), tolerance)]
            compared += 1
        problems += [f"{signature}: {text}" for text in differences]
        if not differences:
            comparison = "as at export" if kept.exists() else "not compared"
            lines.append(f"{signature}: answered in {milliseconds:.0f} ms, {comparison}")
    if not problems and not compared:
        lines.append("no answer was compared: the export keeps none for these requests")
    return [to_printable(line) for line in lines], [to_printable(line) for line in problems]


def find_differences(answer: Any, kept: Mapping[str, Any], tolerance: float) -> Iterator[str]:
    """Yield a description of each output that differs.

    Args:
        answer: The value of `outputs` in the server's answer.
        kept: Dict with the outputs by name, under `outputs`.
        tolerance: Maximum difference of floats, relative to the value, plus the same share of the
            output's largest magnitude, which counts as `MAX_MAGNITUDE` at most.
    """
    expected = kept["outputs"]
    if len(expected) == 1:  # A server leaves out the name of a single output.
        answer = {next(iter(expected)): answer}
    if not isinstance(answer, dict) or answer.keys() != expected.keys():
        received = sorted(answer) if isinstance(answer, dict) else type(answer).__name__
        yield f"Expected the outputs {sorted(expected)}. Received: {received}"
        return
    for key, value in expected.items():
        try:
            theirs, ours = _to_array(answer[key]), _to_array(value)
        except ValueError:  # NumPy refuses rows of different lengths.
            yield f"Expected {key!r} as at export. Received: rows of different lengths"
            continue
        if theirs.shape != ours.shape:
            yield f"Expected {key!r} of shape {ours.shape}. Received: shape={theirs.shape}"
        elif ours.dtype.kind == "f" and theirs.dtype.kind in "iuf":
            largest = np.max(np.abs(ours), initial=0, where=np.isfinite(ours))
            allowed = tolerance * min(largest, MAX_MAGNITUDE)
            if not np.allclose(theirs, ours, rtol=tolerance, atol=allowed, equal_nan=True):
                difference = np.max(np.abs(theirs - ours))
                yield f"Expected {key!r} as at export. Received: a difference of {difference:.3g}"
        elif not np.array_equal(theirs, ours):
            count = np.sum(theirs != ours)
            yield f"Expected {key!r} as at export. Received: {count} of {ours.size} values differ"


def _to_array(value: Any) -> np.ndarray:
    """Convert JSON to an array; `{"b64": …}` is a text that is not UTF-8."""
    if isinstance(value, dict):
        return np.array(json.dumps(value), object)
    if isinstance(value, list) and any(isinstance(item, list | dict) for item in value):
        return np.stack([_to_array(item) for item in value])
    array = np.array(value)
    return array.astype(object) if array.dtype.kind == "U" else array


def _send(
    url: str, body: bytes, headers: Mapping[str, str], timeout: float
) -> tuple[Any, str | None]:
    """Send a request; return the outputs, and a problem or None."""
    request = urllib.request.Request(url, body, {"Content-Type": "application/json", **headers})
    try:
        with urllib.request.urlopen(request, timeout=timeout) as file:
            return json.load(file)["outputs"], None
    except urllib.error.HTTPError as error:
        text = f"{error.code} {error.read()[:500].decode(errors='replace')}"
    except (OSError, ValueError, KeyError, TypeError) as error:
        text = f"{type(error).__name__}: {error}"
    return None, f"Expected an answer of the server. Received: {text} from {url}"


def main(arguments: Sequence[str]) -> int:
    """Test a server; return 1 unless it answers every request as at export."""
    parser = argparse.ArgumentParser(
        prog="python -m keras_attention.export smoke",
        description="Send an export's example requests to a running server by REST, and compare "
        "the answers with those at export.",
    )
    parser.add_argument("address", help="host:port, http://… or https://…")
    parser.add_argument("directory", metavar="DIR", help="a version or a model directory")
    parser.add_argument("--name", help="the served name (default: that of the model directory)")
    parser.add_argument("--timeout", type=float, default=60, help="seconds for a request")
    parser.add_argument(
        "--header",
        action="append",
        default=[],
        metavar="'NAME: VALUE'",
        help="an HTTP header, such as 'Authorization: Bearer …' (can be repeated)",
    )
    options = parser.parse_args(arguments)
    headers = dict(header.split(": ", 1) for header in options.header if ": " in header)
    if len(headers) < len(options.header):
        parser.error(f"expected --header 'NAME: VALUE', received {options.header}")
    try:
        lines, problems = smoke(
            options.address, options.directory, options.name, headers, options.timeout
        )
    except ValueError as error:
        lines, problems = [], [to_printable(str(error))]
    for line in lines:
        print(line)
    for problem in problems:
        print("problem:", problem, file=sys.stderr)
    return int(bool(problems))
