"""Programs that import neither Keras nor TensorFlow, so that their processes start fast."""

import importlib.util
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[3] / "keras_attention"
FOLDERS = {
    "keras_attention": PACKAGE,
    "keras_attention.export": PACKAGE / "export",
    "tensorflow": Path(importlib.util.find_spec("tensorflow").origin).parent,
}


def make_program(code):
    """Prepend lines that make the packages' modules importable without their `__init__`."""
    lines = ["import sys, types"]
    for name, folder in FOLDERS.items():
        lines.append(f"sys.modules[{name!r}] = types.ModuleType({name!r})")
        lines.append(f"sys.modules[{name!r}].__path__ = [{str(folder)!r}]")
    return "\n".join([*lines, code])
