"""Command line: `python -m keras_attention.export model.keras saved_models/name`.

If the model uses custom layers, scores or functions, pass `--import MODULE`: the module that
registers them is then imported before the model is loaded. `--signature attention` adds the weights
of all attention layers, and `--lengths words=0` an input for the lengths of padded sequences.

Further commands: `check saved_models/name` reports on an existing SavedModel, `label
saved_models/name stable=3` labels a version, `prune saved_models/name --keep 3` removes old
versions, `smoke localhost:8501 saved_models/name` tests a running server, and `openapi
saved_models/name` prints a description of the REST interface. `--help` after a command describes
its options.
"""

import argparse
import importlib
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

import keras_attention  # noqa: F401  (registers the layers, so that a model with them can be loaded)
from keras_attention.export.check import main as run_check
from keras_attention.export.checks.fresh_process import TIMEOUT
from keras_attention.export.checks.graph import load_meta_graph
from keras_attention.export.checks.signature_tensors import describe_tensors
from keras_attention.export.printable import shorten_error
from keras_attention.export.requests.instructions import how_to_serve
from keras_attention.export.requests.openapi import main as run_openapi
from keras_attention.export.requests.smoke import main as run_smoke
from keras_attention.export.saved_model import saved_model
from keras_attention.export.signatures.attention_scores import attention_of
from keras_attention.export.signatures.lengths import with_lengths
from keras_attention.export.signatures.signature import DEFAULT_SIGNATURE, SignatureParts
from keras_attention.export.versions.labels import main as run_label
from keras_attention.export.versions.prune import main as run_prune
from keras_attention.paths import to_local_path

COMMANDS = {
    "check": run_check,
    "label": run_label,
    "openapi": run_openapi,
    "prune": run_prune,
    "smoke": run_smoke,
}
SIGNATURES = {"attention": attention_of}
EPILOG = """\
further commands, each with its own --help:
  check DIR...                 report on SavedModels: can a stock server run them?
  label DIR LABEL=VERSION...   label versions in models.config, so that a server loads them
  openapi DIR                  print a description of the REST interface
  prune DIR --keep N           remove old versions that no server uses
  smoke ADDRESS DIR            compare the answers of a running server with those at export

Write -- before names that begin with a dash, and ./check for a model file named "check". The exit
code is 0 after success, 1 after an error, and 2 after wrong usage.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Export a .keras file and print how to serve it, or run another command.

    Args:
        arguments: The command line's arguments. Default: those of this process.

    Returns:
        The exit code.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments and arguments[0] in COMMANDS:
        return COMMANDS[arguments[0]](arguments[1:])
    options = _make_parser().parse_args(arguments)
    try:
        for module in options.modules:
            importlib.import_module(module)
        model = keras.saving.load_model(os.path.expanduser(options.model), compile=False)
        example = [_load_arrays(file) for file in options.example] if options.example else None
        signatures = _make_signatures(model, options.signatures, dict(options.lengths))
        path = saved_model(
            model,
            options.directory,
            signatures,
            example,
            xla=options.xla,
            timeout=options.timeout,
        )
    except Exception as error:  # Whatever the cause, the user gets one line and no traceback.
        message = shorten_error(error)
        if options.json:
            print(json.dumps({"ok": False, "error": message}))
        print("error:", message, file=sys.stderr)
        if "Could not locate" in message:
            print("Import the module that defines it: --import MODULE", file=sys.stderr)
        return 1
    size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    if options.json:
        print(json.dumps({"ok": True, **_describe(path), "bytes": size}, indent=1))
        return 0
    print(f"{path}: version {path.name}, {size / 1e6:.2f} MB")
    without = "Keras" if options.xla else "Keras or XLA"
    print(f"Checked: the C++ loader, without {without}, reproduces the model's outputs.\n")
    print(how_to_serve(path))
    return 0


def _make_parser() -> argparse.ArgumentParser:
    """Return the parser of an export's options."""
    parser = argparse.ArgumentParser(
        prog="python -m keras_attention.export",
        description="Write a saved Keras model as the next version for TensorFlow Serving, after a "
        "check that it gives the same answers without Keras and without XLA.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", help="the .keras file")
    parser.add_argument("directory", help="the model's directory: saved_models/name")
    parser.add_argument(
        "--example",
        action="append",
        metavar="FILE.npz",
        help="arrays by input name, for the check and the warm-up (can be repeated)",
    )
    parser.add_argument(
        "--import",
        action="append",
        default=[],
        dest="modules",
        metavar="MODULE",
        help="a module that registers custom classes or functions of the model "
        "(@keras.saving.register_keras_serializable()), to import first (can be repeated)",
    )
    parser.add_argument(
        "--xla",
        action="store_true",
        help="allow operations that need a server started with --xla_cpu_compilation_enabled",
    )
    parser.add_argument(
        "--signature",
        action="append",
        default=[],
        dest="signatures",
        choices=SIGNATURES,
        help="a signature in addition to serving_default: `attention` returns the weights of all "
        "attention layers",
    )
    parser.add_argument(
        "--lengths",
        action="append",
        default=[],
        metavar="INPUT=PADDING",
        type=_parse_lengths,
        help="let clients pass the lengths of the sequences INPUT, of which the rest is replaced "
        "by PADDING: the id that the model masks, such as words=0, or the name of the input that "
        "is the mask, such as frames=frames_mask (can be repeated)",
    )
    parser.add_argument(
        "--timeout",
        type=float,
        default=TIMEOUT,
        metavar="SECONDS",
        help="stop the process that checks the export after this time (default: %(default)g)",
    )
    parser.add_argument(
        "--json",
        action="store_true",
        help='print a JSON object instead: {"ok": true, "path": "...", "version": 1, "signatures": '
        '{...}, "bytes": ...}, or {"ok": false, "error": "..."}',
    )
    return parser


def _make_signatures(
    model: keras.Model, names: Sequence[str], lengths: dict[str, Any]
) -> dict[str, SignatureParts]:
    """Return the signatures that the options describe; `saved_model` adds a default one."""
    signatures: dict[str, SignatureParts] = {name: SIGNATURES[name](model) for name in names}
    if not lengths:
        return signatures
    described = {DEFAULT_SIGNATURE: model, **signatures}
    return {name: with_lengths(parts, lengths) for name, parts in described.items()}


def _parse_lengths(text: str) -> tuple[str, int | float | str]:
    """Parse `input=padding`; a padding that is not a number is text or the name of a mask."""
    name, equals, padding = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"expected INPUT=PADDING, not {text!r}")
    for parse in (int, float):
        try:
            return name, parse(padding)
        except ValueError:
            continue
    return name, padding


def _describe(path: Path) -> dict[str, Any]:
    """Return the path, version and signatures of an export, in a form that JSON can hold."""
    signatures = describe_tensors(load_meta_graph(path))
    return {"path": str(path), "version": int(path.name), "signatures": signatures}


def _load_arrays(file: str) -> dict[str, np.ndarray]:
    """Load the arrays of an .npz file by name."""
    with np.load(to_local_path("example", file)) as arrays:
        return dict(arrays)


if __name__ == "__main__":
    sys.exit(main())
