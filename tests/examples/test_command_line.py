"""The command line of the examples."""

import ast
from pathlib import Path

import keras
import pytest

from examples.command_line import SHARED, parse_descriptions, run

if keras.backend.backend() != "tensorflow":
    pytest.skip("the examples run on TensorFlow", allow_module_level=True)


EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.py"))


def example(kind="a", epochs=3, rate=0.5, quick=False, sizes=(1, 2)):
    """Record the arguments.

    Args:
        kind: One of two kinds,
            which is described in two lines.
        rate: A rate.
        sizes: Two sizes.
    """
    example.arguments = (kind, epochs, rate, quick, sizes)


def test_every_argument_is_an_option(monkeypatch):
    monkeypatch.setattr("sys.argv", ["x", "--kind", "b", "--epochs", "7", "--quick"])
    run(example, kind=("a", "b"))
    assert example.arguments == ("b", 7, 0.5, True, (1, 2))
    monkeypatch.setattr("sys.argv", ["x", "--sizes", "3", "4", "5"])
    run(example)
    assert example.arguments == ("a", 3, 0.5, False, [3, 4, 5])


def test_options_are_described_by_the_docstring(monkeypatch, capsys):
    assert parse_descriptions(example) == {
        "kind": "One of two kinds, which is described in two lines",
        "rate": "A rate",
        "sizes": "Two sizes",
    }
    monkeypatch.setattr("sys.argv", ["x", "--help"])
    with pytest.raises(SystemExit):
        run(example)
    output = " ".join(capsys.readouterr().out.split())
    assert "--rate RATE A rate (default: 0.5)" in output
    assert "Two sizes (default: 1 2)" in output
    assert f"--quick {SHARED['quick']}" in output


def test_every_option_of_every_example_is_described():
    mains = {
        path.stem: node
        for path in EXAMPLES
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef) and node.name == "main"
    }
    assert len(mains) == 20
    for name, node in mains.items():
        function = lambda: None  # noqa: E731
        function.__doc__ = ast.get_docstring(node)
        described = SHARED.keys() | parse_descriptions(function).keys()
        assert {argument.arg for argument in node.args.args} <= described, name


def test_a_wrong_choice_is_refused(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["x", "--kind", "c"])
    with pytest.raises(SystemExit):
        run(example, kind=("a", "b"))
    assert "--kind" in capsys.readouterr().err
