"""`python -m keras_attention.export check DIR`: a SavedModel, and if a stock server can run it."""

import argparse
import collections
import re
import sys
import time
from pathlib import Path

from keras_attention.export.checks import digests, server_padding
from keras_attention.export.checks import graph as graph_check
from keras_attention.export.checks.fresh_process import run_calls
from keras_attention.export.requests import warmup
from keras_attention.export.requests.instructions import describe

WEIGHTS = "variables/variables.index"


def check(path):
    """Reads a SavedModel, loads it as a server does, and sends it its own warm-up requests.

    Where it holds `assets.extra/SHA256SUMS`, the files that are listed there are compared with it
    first; others, as a server's settings that were put beside them, are remarked.

    Args:
        path: A version directory, or a model's, of which the version is taken that a server
            takes: the largest.

    Returns:
        Two lists of lines: what it is, and what a stock server could not run of it; the second
        is empty if all is well.

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
    path = version_of(path)
    changed = list(digests.problems(path))
    if changed:  # nothing that it says can be relied on
        return [str(path)], changed
    meta = graph_check.read(path)
    problems = list(graph_check.problems(meta))
    if graph_check.has_variables(meta.graph_def) and not (path / WEIGHTS).exists():
        # A server loads it all the same, and answers each request with an error.
        problems.append(f"Expected the weights of the graph's variables. Received: no {WEIGHTS}")
    size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    lines = [
        f"{path}: {size / 1e6:.2f} MB, by TensorFlow {meta.meta_info_def.tensorflow_version}",
        *describe(path),
        _operations(meta.graph_def),
        *_assets(path),
        *digests.remarks(path),
        *graph_check.remarks(meta),
    ]
    try:
        calls = warmup.read(path)
    except ValueError as error:
        return lines, [*problems, str(error)]
    started = time.monotonic()
    try:
        run_calls(path, calls)
    except RuntimeError as error:
        problems.append(f"Expected it to load and answer in the C++ loader. Received: {error}")
    else:
        seconds = time.monotonic() - started
        lines += server_padding.remarks(path, meta, calls)
        lines.append(f"loaded, and {len(calls)} warm-up requests answered, in {seconds:.1f} s")
    return lines, problems


def version_of(path):
    """The directory with `saved_model.pb` in it: `path` itself, or the largest version in there."""
    path = Path(path)
    versions = []
    if path.is_dir():
        versions = [entry for entry in path.iterdir() if re.fullmatch("[0-9]+", entry.name)]
    for found in (path, *sorted(versions, key=lambda entry: -int(entry.name))[:1]):
        if (found / "saved_model.pb").is_file():
            return found
    raise ValueError(f"Expected a SavedModel, or a directory of versions. Received: {str(path)!r}")


def _operations(graph):
    counts = collections.Counter(node.op for node in graph_check.nodes(graph))
    most = ", ".join(f"{name} {count}" for name, count in counts.most_common(8))
    return f"{counts.total()} nodes of {len(counts)} operations: {most}, …"


def _assets(path):
    """The files that tables read, as vocabularies; they belong to the version and move with it."""
    files = sorted(file.name for file in path.glob("assets/*"))
    return [f"assets: {', '.join(files)}"] if files else []


def main(arguments):
    """Prints the reports; returns the exit code: 1 if a stock server could not run one of them."""
    parser = argparse.ArgumentParser(
        prog="python -m keras_attention.export check",
        description="Report what SavedModels hold, and whether a stock server can run them.",
    )
    parser.add_argument("directories", nargs="+", metavar="DIR", help="a version, or a model's")
    failed = False
    for directory in parser.parse_args(arguments).directories:
        try:
            lines, problems = check(directory)
        except ValueError as error:
            lines, problems = [], [str(error)]
        for line in lines:  # of file names that are not UTF-8, too
            print(line.encode(errors="backslashreplace").decode())
        for problem in problems:
            print("problem:", problem, file=sys.stderr)
        failed = failed or bool(problems)
    return int(failed)
