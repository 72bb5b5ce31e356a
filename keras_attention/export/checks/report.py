"""Inspect a SavedModel: its files first, and then, in a new process, what it answers."""

import collections
import os
from pathlib import Path
from typing import Any, NamedTuple

from keras_attention import arguments
from keras_attention.export.checks.digests import find_changed_files, find_unlisted_files
from keras_attention.export.checks.file_operations import find_file_operations, find_print_remarks
from keras_attention.export.checks.fresh_process import TIMEOUT
from keras_attention.export.checks.graph import (
    find_graph_problems,
    find_graph_remarks,
    has_variables,
    list_nodes,
    load_meta_graph,
)
from keras_attention.export.checks.half_precision import find_half_precision_outputs
from keras_attention.export.checks.signature_tensors import (
    describe_tensors,
    find_batch_axis_remarks,
    find_missing_tensors,
)
from keras_attention.export.checks.trial_requests import (
    find_failures,
    find_trial_remarks,
    try_requests,
)
from keras_attention.export.printable import to_printable
from keras_attention.export.requests.instructions import describe_signatures
from keras_attention.export.requests.warmup import load_warmup_requests
from keras_attention.export.versions.numbers import parse_version
from keras_attention.paths import to_local_path

WEIGHTS = "variables/variables.index"


class Report(NamedTuple):
    """The result of a check."""

    path: Path
    description: list[str]
    signatures: dict[str, dict]  # from `describe_tensors`
    remarks: list[str]
    problems: list[str]
    summary: list[str]  # one line, if the SavedModel was loaded

    def to_json(self) -> dict[str, Any]:
        """Return the report in a form that JSON can hold."""
        return {"ok": not self.problems, **self._asdict(), "path": str(self.path)}


def inspect(
    path: str | os.PathLike, trust: bool = False, timeout: float = TIMEOUT, xla: bool = False
) -> Report:
    """Return the `Report` of a check; the arguments and errors are those of `check`."""
    trust = arguments.boolean("trust", trust)
    timeout = arguments.positive_number("timeout", timeout)
    xla = arguments.boolean("xla", xla)
    report = _inspect(find_version(path), trust, timeout, xla)
    return report._replace(
        description=[to_printable(line) for line in report.description],
        remarks=[to_printable(line) for line in report.remarks],
        problems=[to_printable(line) for line in report.problems],
    )


def _inspect(path: Path, trust: bool, timeout: float, xla: bool) -> Report:
    """Inspect the files of a version directory first, and only then load it."""
    report = Report(path, [str(path)], {}, [], list(find_changed_files(path)), [])
    if report.problems:  # A description of damaged files would be unreliable.
        return report
    meta = load_meta_graph(path)
    report = _inspect_files(path, meta, xla)
    file_operations = find_file_operations(meta)
    if file_operations and not trust:
        report.problems.append(
            "Expected no operations on files or the network, because loading the SavedModel or "
            "calling it would run them here, with your permissions. It was not loaded. If you "
            "trust its author, pass trust=True (--trust). "
            f"Received: {', '.join(file_operations)}"
        )
        return report
    if file_operations:
        report.remarks.append(f"accesses files or the network: {', '.join(file_operations)}")
    try:
        calls = load_warmup_requests(path)
        trial = try_requests(path, meta, calls, timeout, disable_xla=not xla)
    except ValueError as error:
        report.problems.append(str(error))
    except RuntimeError as error:
        message = " ".join(str(error).split())
        report.problems.append(
            f"Expected the SavedModel to run in the C++ loader. Received: {message}"
        )
    else:
        report.problems.extend(find_failures(trial))
        half = find_half_precision_outputs(meta)
        report.remarks.extend(find_trial_remarks(trial, half))
        report.summary.append(
            f"loaded, and {len(calls)} warm-up requests answered, in {trial.seconds:.1f} s"
        )
    return report


def _inspect_files(path: Path, meta, xla: bool) -> Report:
    """Return the report of what can be found without loading the SavedModel."""
    problems = [*find_graph_problems(meta, xla), *find_missing_tensors(meta).values()]
    if has_variables(meta.graph_def) and not (path / WEIGHTS).exists():
        # A server loads such a version, and then answers every request with an error.
        problems.append(f"Expected a file with the variables' values. Received: no {WEIGHTS}")
    size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    description = [
        f"{path}: {size / 1e6:.2f} MB, by TensorFlow {meta.meta_info_def.tensorflow_version}",
        *describe_signatures(path),
        _count_operations(meta.graph_def),
        *_list_assets(path),
    ]
    remarks = [
        *find_unlisted_files(path),
        *find_graph_remarks(meta),
        *find_print_remarks(meta),
        *find_batch_axis_remarks(meta),
    ]
    return Report(path, description, describe_tensors(meta), remarks, problems, [])


def find_version(path: str | os.PathLike) -> Path:
    """Return the directory that holds `saved_model.pb`: `path` itself, or its highest version."""
    path = to_local_path("path", path)
    entries = [(parse_version(x.name), x) for x in path.iterdir()] if path.is_dir() else []
    versions = {number: entry for number, entry in entries if number is not None}
    highest = [versions[max(versions)]] if versions else []
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
