"""Report what a SavedModel contains, and whether a stock TensorFlow Serving can run it."""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from keras_attention.export.checks.fresh_process import TIMEOUT
from keras_attention.export.checks.report import Report, inspect
from keras_attention.export.checks.server_operations import XLA_FLAG
from keras_attention.export.printable import to_printable


def check(
    path: str | os.PathLike, trust: bool = False, timeout: float = TIMEOUT, xla: bool = False
) -> tuple[list[str], list[str]]:
    """Inspect a SavedModel, load it as a server does, and run requests of every signature.

    A SavedModel is a program: whoever loads it runs it. Therefore its files are inspected first. If
    its graph has operations on files or the network, it is not loaded unless you trust it. (The
    list of such operations cannot be complete. Check a SavedModel of unknown origin in a container
    without network and without your files.)

    If the directory holds `assets.extra/SHA256SUMS`, the files listed there are verified before
    anything else. Files that are not listed, such as server settings added later, are reported as
    remarks.

    Then the SavedModel runs its warm-up requests, in a new process. For a signature without any,
    requests are made up from its dtypes and shapes; a remark says so. If the made-up values do not
    fit, that is a remark and not a problem. The requests are run again with padding, and several
    in one batch: outputs that depend on the padding, or rows that depend on other rows, are
    reported as remarks.

    Args:
        path: A version directory, or a model directory. In a model directory, the version with the
            highest number is checked, because that is the one a server would load.
        trust: Whether to load a SavedModel that has operations on files or the network. Default
            False.
        timeout: Seconds after which a process that loads the SavedModel is stopped. Default 600.
        xla: Whether the server is started with XLA, as versions of `saved_model(..., xla=True)`
            need it. Default False.

    Returns:
        Two lists of lines: a description of the SavedModel with remarks, and the problems that
        would prevent a stock server from running it (an empty list if there are none). Characters
        that are not printable are escaped.

    Raises:
        ValueError: If there is no SavedModel, or an argument is not as described.

    Example:
    >>> import tempfile
    >>> model = keras.Sequential([keras.Input((2,), name="x"), keras.layers.Rescaling(3.0)])
    >>> path = keras_attention.export.saved_model(model, tempfile.mkdtemp())
    >>> lines, problems = keras_attention.export.check(path)
    >>> lines[1:4], problems
    (['serving_default', '  input  x: float32 (?, 2)', '  output output: float32 (?, 2)'], [])
    """
    report = inspect(path, trust, timeout, xla)
    return [*report.description, *report.remarks, *report.summary], report.problems


def main(command_line: Sequence[str]) -> int:
    """Print a report for each directory; return 1 if a stock server could not run all of them."""
    parser = argparse.ArgumentParser(
        prog="python -m keras_attention.export check",
        description="Report what SavedModels contain, and whether a stock server can run them. The "
        "last line is OK or NOT OK; the exit code is 0 or 1. Problems are printed to stderr, and "
        "each of them means NOT OK. Remarks, such as an answer that depends on padding, do not.",
        epilog="A SavedModel is a program. If its graph has operations on files or the network, it "
        "is not loaded without --trust, but the list of such operations cannot be complete: check "
        "a SavedModel of unknown origin in a container without network and without your files.",
    )
    parser.add_argument(
        "directories",
        nargs="+",
        metavar="DIR",
        help="a version directory, or a model directory, of which the newest version is checked",
    )
    parser.add_argument(
        "--trust",
        action="store_true",
        help="load it even if it has operations on files or the network",
    )
    parser.add_argument(
        "--timeout",
        type=float,
        default=TIMEOUT,
        metavar="SECONDS",
        help="stop a process that loads a SavedModel after this time (default: %(default)g)",
    )
    parser.add_argument(
        "--xla",
        action="store_true",
        help=f"check for a server that is started with {XLA_FLAG}",
    )
    parser.add_argument(
        "--json",
        action="store_true",
        help='print a JSON object instead: {"ok": true, "saved_models": [{"ok": true, "path": '
        '"...", "description": [...], "signatures": {...}, "remarks": [...], "problems": [...], '
        '"summary": [...]}]}',
    )
    options = parser.parse_args(command_line)
    reports = []
    for directory in options.directories:
        try:
            report = inspect(directory, options.trust, options.timeout, options.xla)
        except (ValueError, OSError) as error:
            report = Report(Path(directory), [], {}, [], [to_printable(str(error))], [])
        reports.append(report)
        if not options.json:
            _print_report(report)
            if len(options.directories) > 1:
                path = to_printable(str(report.path))
                _print(f"{path}: {'NOT OK' if report.problems else 'OK'}\n")
    has_failed = any(report.problems for report in reports)
    if options.json:
        documents = [report.to_json() for report in reports]
        print(json.dumps({"ok": not has_failed, "saved_models": documents}, indent=1))
    else:
        print("NOT OK" if has_failed else "OK", flush=True)
    return int(has_failed)


def _print_report(report: Report) -> None:
    """Print a report: problems to stderr, all else to stdout."""
    for line in report.description:
        _print(line)
    for remark in report.remarks:
        _print(f"remark: {remark}")
    for line in report.summary:
        _print(line)
    sys.stdout.flush()
    for problem in report.problems:
        _print(f"problem: {problem}", sys.stderr)
    sys.stderr.flush()


def _print(line: str, file: Any = None) -> None:
    """Print a line, and escape characters that the terminal's encoding does not have."""
    file = file or sys.stdout
    encoding = getattr(file, "encoding", None) or "utf-8"
    print(line.encode(encoding, errors="backslashreplace").decode(encoding), file=file)
