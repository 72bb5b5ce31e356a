"""Run a try, and compare what happens with what must happen."""

import contextlib
import random
import tempfile
import traceback
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np

from keras_attention import export
from keras_attention.export.checks.fresh_process import run_calls
from tests.export.loader.shared import use_loader
from tests.export.models.answers import compute_expected, describe_error, draw_requests
from tests.export.models.tries import REFUSED, RIGHT, WARNED, NotInstalledError

WRONG, OBSCURE, SKIPPED = "wrong", "obscure", "skipped"
LONGEST_MESSAGE = 1500


class Outcome(NamedTuple):
    """What happened: RIGHT, WARNED, REFUSED, WRONG, OBSCURE or SKIPPED, and a description.

    WRONG: other answers than the model's, an export that must be refused, a missing warning, or
    variables of the model that the export changed. OBSCURE: an error or a warning that should not
    be there, or that lacks the words that name its cause.
    """

    result: str
    detail: str = ""


def run_try(one, process):
    """Export the model of a try, send requests to the export, and return the Outcome.

    Args:
        one: The `Try`.
        process: The LoaderProcess that answers.
    """
    random.seed(0)  # from which Keras draws the seeds of initializers
    with (
        tempfile.TemporaryDirectory() as name,
        warnings.catch_warnings(record=True) as caught,
    ):
        folder = Path(name)
        warnings.simplefilter("always")
        try:
            files = folder / "files"
            files.mkdir()
            case = one.make(files)
            before = _copy_variables(case.model)
            path = _export(case, folder, process)
        except NotInstalledError as error:
            return Outcome(SKIPPED, str(error))
        except Exception as error:  # The package may raise an error of any class.
            return _judge_refusal(one, error, folder)
        if one.result == REFUSED:
            return Outcome(WRONG, "exported, and must be refused")
        if not all(_is_equal(variable.numpy(), value) for variable, value in before):
            return Outcome(WRONG, "the export changed variables of the model")
        error = _find_wrong_answer(case, path, process)
        if error:
            return Outcome(WRONG, error)
    messages = [str(one.message) for one in caught if str(one.message).startswith("Expected")]
    return _judge_warnings(one, messages)


def _export(case, folder, process):
    """Export a case; the self-check runs in the shared process, unless it needs XLA."""
    is_local = "://" not in case.directory
    directory = folder / case.directory if is_local else case.directory
    with contextlib.nullcontext() if case.options.get("xla") else use_loader(process):
        return export.saved_model(
            case.model, directory, case.signatures, case.example, **case.options
        )


def _find_wrong_answer(case, path, process):
    """Describe the first answer that is not as expected; None if there is none."""
    requests = draw_requests(path) if case.requests is None else case.requests
    run = run_calls if case.options.get("xla") else process.run_calls
    try:
        answers = run(path, requests, disable_xla=not case.options.get("xla"))
    except RuntimeError as error:
        return f"an unseen request fails: {error}"
    for (signature, inputs), answer in zip(requests, answers, strict=True):
        expected = compute_expected(case, signature, inputs)
        error = describe_error(answer, expected, case.tolerance)
        if error:
            shapes = {name: np.shape(array) for name, array in inputs.items()}
            return f"signature {signature!r}, inputs of shapes {shapes}: {error}"
    return None


def _judge_refusal(one, error, folder):
    """Return the Outcome of a try whose export raised an error."""
    message = str(error)
    if any(folder.rglob("saved_model.pb")):
        return Outcome(WRONG, f"refused, but a version remains: {message}")
    if one.result != REFUSED:
        return Outcome(OBSCURE, "".join(traceback.format_exception(error)[-6:]))
    missing = [words for words in one.words if words not in message]
    if missing or len(message) > LONGEST_MESSAGE:
        return Outcome(OBSCURE, f"lacks {missing}, {type(error).__name__}: {message}")
    return Outcome(REFUSED, message)


def _judge_warnings(one, messages):
    """Return the Outcome of a try whose export was right."""
    if one.result == RIGHT:
        return Outcome(OBSCURE, f"warned: {messages[0]}") if messages else Outcome(RIGHT)
    if not messages:
        return Outcome(WRONG, "exported without the warning")
    if not any(all(words in message for words in one.words) for message in messages):
        return Outcome(OBSCURE, f"lacks {one.words}: {messages[0]}")
    return Outcome(WARNED, messages[0])


def _copy_variables(model):
    """Return the variables of a model with their values."""
    return [(variable, variable.numpy()) for variable in getattr(model, "variables", [])]


def _is_equal(array, other):
    """Return True if two arrays are equal."""
    return np.array_equal(array, other, equal_nan=array.dtype.kind == "f")
