"""Models that nobody prepared for an export, and the command that judges their exports."""

import keras
import numpy as np
import pytest

from keras_attention.export.signatures.reference import CheckedFunction
from tests.export.models import __main__ as command
from tests.export.models.kinds import ALL_TRIES
from tests.export.models.outcomes import OBSCURE, SKIPPED, WRONG, run_try
from tests.export.models.tries import Case, Tries


@pytest.fixture(scope="module", autouse=True)
def use_shared_loader():
    """Nothing: `run_try` itself decides which export runs in the shared process."""


@pytest.mark.parametrize(
    "one",
    [
        pytest.param(
            one, id=f"{one.kind}-{one.name}", marks=[] if one.is_quick else pytest.mark.slow
        )
        for one in ALL_TRIES
    ],
)
def test_an_export_is_right_or_refused_clearly(one, loader_process):
    outcome = run_try(one, loader_process)
    if outcome.result == SKIPPED:
        pytest.skip(outcome.detail)
    assert outcome.result == one.result, outcome.detail


def test_each_kind_has_a_quick_try_and_the_names_differ():
    names = [(one.kind, one.name) for one in ALL_TRIES]
    assert len(set(names)) == len(names) > 160
    assert {one.kind for one in ALL_TRIES if one.is_quick} == {one.kind for one in ALL_TRIES}


def double(factor=2.0, **kwargs):
    """The case of a model that doubles its input."""
    x = keras.Input((2,), name="x")
    return Case(keras.Model(x, keras.layers.Rescaling(factor)(x)), **kwargs)


def serve_another_factor():
    """An export that passes its own check, and does not answer as the model."""
    case = double()
    function = CheckedFunction(lambda x: 2.001 * x, lambda x: 2.001 * x)
    case.signatures = {"serving_default": (function, case.model.inputs)}
    case.expected = {"serving_default": lambda x: case.model(x)}
    return case


def change_the_model():
    """A signature that changes a variable of the model only while it is checked."""
    case = double()
    case.model.extra = keras.Variable(0.0)

    def serve(x):
        import tensorflow as tf

        if tf.executing_eagerly():
            case.model.extra.assign_add(1.0)
        return case.model(x)

    case.signatures = {"serving_default": (serve, case.model.inputs)}
    return case


def make_double():
    return double()


def fail_behind_an_error():
    raise ValueError("Expected something else.")


FAULTS = {  # name: (how the try is declared, the case, what the outcome must be, words in it)
    "other values": ("right", (), serve_another_factor, WRONG, "output: differs by 0.00"),
    "other outputs": (
        *("right", ()),
        lambda: double(expected={"serving_default": lambda x: {"y": 2 * x}}),
        *(WRONG, "outputs ['output'] instead of ['y']"),
    ),
    "other dtype": (
        *("right", ()),
        lambda: double(expected={"serving_default": lambda x: np.float64(2 * x)}),
        *(WRONG, "float32 (2, 2), not float64 (2, 2)"),
    ),
    "changed variable": ("right", (), change_the_model, WRONG, "changed variables"),
    "exported": ("refused", ("x",), make_double, WRONG, "must be refused"),
    "without a warning": ("warned", ("x",), make_double, WRONG, "without the warning"),
    "refused": ("right", (), lambda: double(factor=np.nan), OBSCURE, "Expected numbers in output"),
    "other words": ("refused", ("'x'",), fail_behind_an_error, OBSCURE, """lacks ["'x'"]"""),
    "warned": (
        *("right", ()),
        lambda: Case(keras.Sequential([keras.Input((2,)), keras.layers.Rescaling(2.0)])),
        *(OBSCURE, "warned: Expected a name for every input"),
    ),
}


def make_fault(name):
    """Return a `Try` that fails in one of the ways that must be noticed."""
    declared, words, make, *_ = FAULTS[name]
    tries = Tries("planted faults")
    getattr(tries, declared)(*words)(make)
    return tries[0]


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_noticed(name, loader_process):
    *_, result, words = FAULTS[name]
    outcome = run_try(make_fault(name), loader_process)
    assert outcome.result == result and words in outcome.detail, outcome


def test_the_command_counts_and_fails_if_a_try_does(capsys, monkeypatch, loader_process):
    tries = Tries("planted faults")
    tries.right()(make_double)
    good = [*tries]
    monkeypatch.setattr(command, "LoaderProcess", lambda: NeverClosed(loader_process))
    monkeypatch.setattr(command, "ALL_TRIES", good)
    assert command.main([]) == 0
    assert "| planted faults | 1 | 1 | 0 | 0 | 0 | 0 | 0 |" in capsys.readouterr().out
    monkeypatch.setattr(command, "ALL_TRIES", [*good, make_fault("other values")])
    assert command.main([]) == 1
    output = capsys.readouterr().out
    assert "| all | 2 | 1 | 0 | 0 | 1 | 0 | 0 |" in output
    assert "wrong: planted faults: serve another factor: signature 'serving_default'" in output
    assert command.main(["another"]) == 1 and "\n1 tries" in capsys.readouterr().out
    assert command.main(["make double"]) == 0


class NeverClosed:
    """The shared process for a command that closes its process."""

    def __init__(self, process):
        self.run_calls, self.try_calls = process.run_calls, process.try_calls

    def close(self):
        """Leave the process to the other tests."""
