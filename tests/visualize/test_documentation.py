"""The code of docs/visualize.md runs, and the pictures that it shows exist."""

import re
from pathlib import Path

import pytest

from keras_attention import visualize

DOCS = Path(__file__).parents[2] / "docs"
TEXT = (DOCS / "visualize.md").read_text(encoding="utf-8")


def test_each_function_and_each_linked_file_is_there():
    for name in visualize.__all__:
        assert f"`{name}`" in TEXT, name
    for link in re.findall(r"\]\(([^)]*)\)", TEXT):
        assert (DOCS / link).exists(), link


@pytest.mark.ci  # It trains a small model.
def test_code_blocks_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {}
    for block in re.findall(r"```python\n(.*?)```", TEXT, re.S):
        exec(block, names)
    _, accuracy = names["model"].evaluate(names["ids"], names["ids"][:, ::-1], 500, verbose=0)
    assert accuracy > 0.95
    names = {path.name for path in tmp_path.glob("visualize_*")}
    assert names == {path.name for path in (DOCS / "pictures").glob("visualize_*")}
    assert len(list((tmp_path / "attention").rglob("epoch_0001.png"))) == 2
    assert list((tmp_path / "logs").iterdir())
