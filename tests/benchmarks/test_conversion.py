"""docs/conversion.md says what the converters that are installed do."""

import keras
import pytest

from benchmarks.conversion.__main__ import PACKAGES, PAGE, cell, shortened, versions
from benchmarks.conversion.convert import FORMATS
from benchmarks.conversion.models import MODELS, inputs, make

TABLE = [
    [entry.strip() for entry in line.strip("|").split("|")]
    for line in PAGE.read_text(encoding="utf-8").splitlines()
    if line.startswith("|")
]
CELLS = {
    (row[0], column): entry
    for row in TABLE[2:]
    for column, entry in zip(FORMATS, row[1:], strict=True)
}

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="the converters' graphs are TensorFlow's"
)


@pytest.fixture
def converters():
    """Skips where the table can not be compared with what is installed."""
    missing = [package for package in PACKAGES if package not in versions()]
    if missing:
        pytest.skip(f"not installed: {missing}, of the extra `convert`")


def comes_to_the_same(found, written):
    """Both converted and near the model, or else the same words."""
    is_ok = [text.startswith("ok, ") and float(text[4:]) <= 1e-4 for text in (found, written)]
    return all(is_ok) or found == written


def test_the_table_has_every_model_and_every_format():
    assert TABLE[0] == ["", *FORMATS]
    assert [row[0] for row in TABLE[2:]] == list(MODELS)


@pytest.mark.parametrize("name", MODELS)
def test_a_model_has_answers_that_tell_it_from_another(name):
    """So that an "ok" in the table says something."""
    import numpy as np

    model = make(name)
    arrays = list(inputs(model, 3, 7).values())
    answer = keras.ops.convert_to_numpy(model(arrays if len(arrays) > 1 else arrays[0]))
    assert np.all(np.isfinite(answer)) and np.ptp(answer) > 0.1 and np.abs(answer).max() < 50


def test_the_table_is_of_the_versions_that_are_installed(converters):
    text = " ".join(PAGE.read_text(encoding="utf-8").split())
    assert ", ".join(f"{package} {number}" for package, number in versions().items()) in text


def test_one_row_of_the_table_is_what_the_converters_do(converters):
    for column in ("OpenVINO", "LiteRT, fixed sizes"):
        found = cell("AdditiveAttention", column)
        assert comes_to_the_same(found, CELLS["AdditiveAttention", column])


@pytest.mark.slow
@pytest.mark.parametrize(("name", "column"), CELLS, ids=str)
def test_every_entry_is_what_the_converters_do(converters, name, column):
    assert comes_to_the_same(cell(name, column), CELLS[name, column])


def test_an_error_is_shortened_to_what_the_next_run_says_too():
    error = "ValueError: in /tmp/x1/y.py at 0x7f21 |\n" + 199 * "a"
    found = shortened(error)
    assert found.startswith("ValueError: in y.py at  / aaa") and found.endswith("a…")
    assert len(found) == 120
    assert shortened("Fail: 1 : FAIL : Load /tmp/m.onnx failed:Node failed: Why") == "Fail: Why"
    flex = shortened("RuntimeError: Select ops. Node number 2 (FlexRelu6) failed to prepare.")
    assert flex == "RuntimeError: needs Relu6 of TensorFlow's own, which LiteRT's interpreter lacks"


def test_what_neither_agrees_nor_says_the_same_is_told_apart():
    assert comes_to_the_same("ok, 3e-08", "ok, 1e-07")
    assert not comes_to_the_same("ok, 3e-03", "ok, 1e-07")
    assert not comes_to_the_same("RuntimeError: a", "ok, 1e-07")
    assert comes_to_the_same("RuntimeError: a", "RuntimeError: a")
