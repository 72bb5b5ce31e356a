"""Report what a SavedModel contains, and whether a stock TensorFlow Serving can run it."""

import argparse
import collections
import os
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from keras_attention.export.checks.digests import find_changed_files, find_unlisted_files
from keras_attention.export.checks.fresh_process import run_calls
from keras_attention.export.checks.graph import (
    find_graph_problems,
    find_graph_remarks,
    has_variables,
    list_nodes,
    load_meta_graph,
)
from keras_attention.export.checks.server_padding import find_padding_remarks
from keras_attention.export.requests.instructions import describe_signatures
from keras_attention.export.requests.warmup import load_warmup_requests
from keras_attention.paths import to_local_path

WEIGHTS = "variables/variables.index"


def check(path: str | os.PathLike) -> tuple[list[str], list[str]]:
    """Inspect a SavedModel, load it as a server does, and run its warm-up requests.

    If the directory holds `assets.extra/SHA256SUMS`, the files listed there are verified first.
    Files that are not listed, such as server settings added later, are reported as remarks.

    Args:
        path: A version directory, or a model directory. In a model directory, the version with the
            highest number is checked, because that is the one a server would load.

    Returns:
        Two lists of lines: a description of the SavedModel, and the problems that would prevent a
        stock server from running it (an empty list if there are none).

    Raises:
        ValueError: If there is no SavedModel.

    Example:
    >>> import tempfile
    >>> model = keras.Sequential([keras.Input((2,), name="x"), keras.layers.Rescaling(3.0)])
    >>> path = keras_attention.export.saved_model(model, tempfile.mkdtemp())
    >>> lines, problems = keras_attention.export.check(path)
    >>> lines[1:4], problems
    (['serving_default', '  input  x: float32 (?, 2)', '  output output: float32 (?, 2)'], [])
    """
    path = find_version(path)
    changed = list(find_changed_files(path))
    if changed:  # A description of damaged files would be unreliable.
        return [str(path)], changed
    meta = load_meta_graph(path)
    problems = list(find_graph_problems(meta))
    if has_variables(meta.graph_def) and not (path / WEIGHTS).exists():
        # A server loads such a version, and then answers every request with an error.
        problems.append(f"Expected a file with the variables' values. Received: no {WEIGHTS}")
    size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    lines = [
        f"{path}: {size / 1e6:.2f} MB, by TensorFlow {meta.meta_info_def.tensorflow_version}",
        *describe_signatures(path),
        _count_operations(meta.graph_def),
        *_list_assets(path),
        *find_unlisted_files(path),
        *find_graph_remarks(meta),
    ]
    try:
        calls = load_warmup_requests(path)
    except ValueError as error:
        return lines, [*problems, str(error)]
    started = time.monotonic()
    try:
        answers = run_calls(path, calls)
    except RuntimeError as error:
        problems.append(f"Expected the SavedModel to run in the C++ loader. Received: {error}")
    else:
        seconds = time.monotonic() - started
        lines += find_padding_remarks(path, meta, calls, answers)
        lines.append(f"loaded, and {len(calls)} warm-up requests answered, in {seconds:.1f} s")
    return lines, problems


def find_version(path: str | os.PathLike) -> Path:
    """Return the directory that holds `saved_model.pb`: `path` itself, or its highest version."""
    path = to_local_path("path", path)
    versions = []
    if path.is_dir():
        versions = [entry for entry in path.iterdir() if re.fullmatch("[0-9]+", entry.name)]
    highest = sorted(versions, key=lambda entry: int(entry.name))[-1:]
    for candidate in (path, *highest):
        if (candidate / "saved_model.pb").is_file():
            return candidate
    raise ValueError(
        "Expected `path` to be a SavedModel, or a directory of versions. "
        f"Received: path={str(path)!r}"
    )


def _count_operations(graph) -> str:
    """Describe a GraphDef by its most common operations."""
    counts = collections.Counter(node.op for node in list_nodes(graph))
    common = ", ".join(f"{name} {count}" for name, count in counts.most_common(8))
    return f"{counts.total()} nodes of {len(counts)} operations: {common}, …"


def _list_assets(path: Path) -> list[str]:
    """List the asset files, such as the vocabularies that lookup tables load."""
    files = sorted(file.name for file in path.glob("assets/*"))
    return [f"assets: {', '.join(files)}"] if files else []


def main(arguments: Sequence[str]) -> int:
    """Print a report for each directory; return 1 if a stock server could not run all of them."""
    parser = argparse.ArgumentParser(
        prog="python -m keras_attention.export check",
        description="Report what SavedModels contain, and whether a stock server can run them.",
    )
    parser.add_argument(
        "directories", nargs="+", metavar="DIR", help="a version directory, or a model directory"
    )
    has_failed = False
    for directory in parser.parse_args(arguments).directories:
        try:
            lines, problems = check(directory)
        except ValueError as error:
            lines, problems = [], [str(error)]
        for line in lines:  # A line may quote a file name that is not valid UTF-8.
            print(line.encode(errors="backslashreplace").decode())
        for problem in problems:
            print("problem:", problem, file=sys.stderr)
        has_failed = has_failed or bool(problems)
    return int(has_failed)
