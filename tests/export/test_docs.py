"""The section on exporting in docs/serving.md: its example runs, and no function is missing."""

import re
from pathlib import Path

import numpy as np

from keras_attention import export

PAGE = Path(__file__).parents[2] / "docs" / "serving.md"
SECTION = PAGE.read_text(encoding="utf-8").split("## Exporting")[1].split("\n## ")[0]


def test_the_example_exports_and_answers(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (block,) = re.findall(r"```python\n(.*?)```", SECTION, re.S)
    names = {}
    exec(block, names)
    shapes = {name: weights.shape for name, weights in names["answer"].items()}
    assert shapes == {"heads": (1, 2, 3, 3), "pooling": (1, 3)}
    lines, problems = export.check(tmp_path / "saved_models/reviews")
    assert problems == [] and not any(
        "pad_variable" in line for line in lines if "guess" not in line
    )
    inputs = {"words": np.ones((3, 2), "int32"), "seed": np.int32([[0, 1], [0, 2], [0, 1]])}
    guesses = export.run_in_c_loader(names["path"], "guess", inputs)["guess"]
    assert guesses[0] == guesses[2]


def test_the_section_mentions_every_public_function():
    names = {"attention_of", "label", "prune", "saved_model", "with_lengths", "with_seed", "Spec"}
    assert names <= set(export.__all__)
    assert all(name in SECTION for name in names)
