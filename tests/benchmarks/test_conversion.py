"""docs/conversion.md agrees with the installed converters."""

import keras
import pytest

from benchmarks.conversion.__main__ import (
    PACKAGES,
    PAGE,
    convert_cell,
    get_versions,
    shorten_error,
)
from benchmarks.conversion.convert import FORMATS
from benchmarks.conversion.models import MODELS, make_inputs, make_model

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
    """Skip the test if a converter is not installed."""
    missing = [package for package in PACKAGES if package not in get_versions()]
    if missing:
        pytest.skip(f"not installed: {missing}, of the extra `convert`")


def are_equivalent(entry, expected):
    """Return True if both are within the tolerance, or both are the same text."""
    is_ok = [text.startswith("ok, ") and float(text[4:]) <= 1e-4 for text in (entry, expected)]
    return all(is_ok) or entry == expected


def test_table_has_every_model_and_every_format():
    assert TABLE[0] == ["", *FORMATS]
    assert [row[0] for row in TABLE[2:]] == list(MODELS)


@pytest.mark.parametrize("name", MODELS)
def test_outputs_of_a_model_vary(name):
    """Constant outputs would make "ok" meaningless."""
    import numpy as np

    model = make_model(name)
    arrays = list(make_inputs(model, 3, 7).values())
    output = keras.ops.convert_to_numpy(model(arrays if len(arrays) > 1 else arrays[0]))
    assert np.all(np.isfinite(output)) and np.ptp(output) > 0.1 and np.abs(output).max() < 50


def test_table_names_the_installed_versions(converters):
    text = " ".join(PAGE.read_text(encoding="utf-8").split())
    assert ", ".join(f"{package} {number}" for package, number in get_versions().items()) in text


def test_one_row_agrees_with_the_converters(converters):
    for column in ("OpenVINO", "LiteRT, fixed sizes"):
        entry = convert_cell("AdditiveAttention", column)
        assert are_equivalent(entry, CELLS["AdditiveAttention", column])


@pytest.mark.slow
@pytest.mark.parametrize(("name", "column"), CELLS, ids=str)
def test_every_entry_agrees_with_the_converters(converters, name, column):
    assert are_equivalent(convert_cell(name, column), CELLS[name, column])


def test_shortened_error_has_no_paths_or_addresses():
    error = "ValueError: in /tmp/x1/y.py at 0x7f21 |\n" + 199 * "a"
    text = shorten_error(error)
    assert text.startswith("ValueError: in y.py at  / aaa") and text.endswith("a…")
    assert len(text) == 120
    assert shorten_error("Fail: 1 : FAIL : Load /tmp/m.onnx failed:Node failed: Why") == "Fail: Why"
    flex = shorten_error("RuntimeError: Select ops. Node number 2 (FlexRelu6) failed to prepare.")
    assert flex == "RuntimeError: needs TensorFlow's op Relu6, which LiteRT's interpreter lacks"


def test_entries_are_equivalent_within_tolerance_or_if_identical():
    assert are_equivalent("ok, 3e-08", "ok, 1e-07")
    assert not are_equivalent("ok, 3e-03", "ok, 1e-07")
    assert not are_equivalent("RuntimeError: a", "ok, 1e-07")
    assert are_equivalent("RuntimeError: a", "RuntimeError: a")
