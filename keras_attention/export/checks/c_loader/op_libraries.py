"""Libraries of further operations, which tensorflow/serving includes and TensorFlow does not."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple


class OpLibrary(NamedTuple):
    """A library: its name, its Python package, and its files in the package's folder."""

    name: str
    package: str
    files: str


OP_LIBRARIES = (
    OpLibrary("TF Text", "tensorflow_text", "python/ops/_*.so"),
    OpLibrary("TF-DF", "tensorflow_decision_forests", "tensorflow/ops/inference/inference.so"),
)


def find_library_files() -> Iterator[tuple[OpLibrary, Path]]:
    """Yield the files of the installed libraries, without importing their packages."""
    for library in OP_LIBRARIES:
        spec = importlib.util.find_spec(library.package)
        for folder in (spec and spec.submodule_search_locations) or ():
            for file in sorted(Path(folder).glob(library.files)):
                yield library, file
