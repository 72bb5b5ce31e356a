"""The README agrees with the code: its table of layers, code blocks, commands and paths."""

import re
from pathlib import Path

import keras
import pytest

import keras_attention

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in README.split("## Four steps")[1].split("Scores:")[0].strip().splitlines()[2:]
]
STEPS = ("score", "mask", "normalize", "read")


def test_table_has_exactly_the_public_layers():
    assert [row[0] for row in ROWS] == sorted(
        keras_attention.layers.__all__, key=[row[0] for row in ROWS].index
    )


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_table_row_equals_the_docstring(row):
    name, *steps, paper = row
    documented = " ".join(getattr(keras_attention, name).__doc__.split()).replace("`", "")
    composition = "; ".join(f"{s}: {c}" for s, c in zip(STEPS, steps, strict=True))
    assert composition.replace("`", "") + "." in documented
    for link in re.findall(r"\((https://.*?)\)", paper):
        assert link in documented


def test_table_row_names_the_score_and_the_normalizer():
    layers = {
        "additive": keras_attention.AdditiveAttention(),
        "dot": keras_attention.LuongAttention("dot"),
        "general": keras_attention.LuongAttention("general"),
        "concat": keras_attention.LuongAttention("concat"),
        "location": keras_attention.LuongAttention("location", max_length=3),
    }
    table = {row[0]: row for row in ROWS}
    classes = {"additive": "Additive", "dot": "Dot", "general": "General", "concat": "Additive"}
    for score, layer in layers.items():
        _, scores, _, normalize, *_ = table[type(layer).__name__]
        assert score in scores
        assert type(layer.score).__name__ == classes.get(score, score.title()) + "Score"
        assert layer.normalize.__name__ == normalize


def test_code_blocks_run(tmp_path, monkeypatch):
    if keras.backend.backend() != "tensorflow":
        pytest.skip("one block exports a SavedModel, which needs TensorFlow")
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", README, re.S)
    assert len(blocks) == 7
    names = {}
    for block in blocks:
        exec(block, names)
    assert names["context"].shape == (2, 3, 64)
    assert (tmp_path / "saved_models/my_model/1/saved_model.pb").exists()


def test_each_command_is_on_one_line():
    lines = [line.strip() for line in README.splitlines()]
    assert 'pip install -e ".[examples]" && python examples/translate_dates.py' in lines
    assert 'pip install -e ".[test]" && pytest' in lines


def test_paths_in_readme_and_examples_exist():
    root = Path(__file__).parents[1]
    texts = [README, *(path.read_text(encoding="utf-8") for path in root.glob("examples/*.py"))]
    for path in set(re.findall(r"(?:docs|tests|examples)/[\w/]+\.\w+", " ".join(texts))):
        assert (root / path).exists(), path
