"""The quick profile: a few cases of every family, the same in every run."""

import ast
from pathlib import Path

import pytest

from tests.fuzz.families import FAMILIES
from tests.fuzz.profiles import run_quick

FOLDER = Path(__file__).parent
REFERENCES = [*FOLDER.glob("references/*.py"), *FOLDER.parent.glob("reference*.py")]


@pytest.mark.parametrize("family", FAMILIES)
def test_layers_equal_the_equations(family):
    assert run_quick(family) > 0  # it raises an AssertionError for a case that differs


@pytest.mark.parametrize("path", REFERENCES, ids=lambda path: path.name)
def test_references_do_not_import_the_package(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [alias.name for alias in getattr(node, "names", []) if hasattr(alias, "name")]
        names.append(getattr(node, "module", None) or "")
        assert not any(name.split(".")[0] in ("keras_attention", "keras") for name in names)
