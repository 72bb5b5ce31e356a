"""The command line of the examples."""

import keras
import pytest

from examples.command_line import run

if keras.backend.backend() != "tensorflow":
    pytest.skip("the examples run on TensorFlow", allow_module_level=True)


def example(kind="a", epochs=3, rate=0.5, quick=False):
    example.arguments = (kind, epochs, rate, quick)


def test_every_argument_is_an_option(monkeypatch):
    monkeypatch.setattr("sys.argv", ["x", "--kind", "b", "--epochs", "7", "--quick"])
    run(example, kind=("a", "b"))
    assert example.arguments == ("b", 7, 0.5, True)


def test_a_wrong_choice_is_refused(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["x", "--kind", "c"])
    with pytest.raises(SystemExit):
        run(example, kind=("a", "b"))
    assert "--kind" in capsys.readouterr().err
