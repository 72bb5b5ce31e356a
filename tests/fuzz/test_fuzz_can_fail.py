"""The fuzz finds a kernel that is broken in one line."""

import itertools
import re
import types

import keras
import pytest

from keras_attention.mask.structured_mask import StructuredMask
from tests.fuzz import __main__ as program
from tests.fuzz.families.normalize import Case
from tests.fuzz.profiles import run_quick
from tests.fuzz.reproduce import reproduce, write_code

EXAMPLES = 60
only_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="needs many cases, or TensorFlow's kernels"
)


@only_tensorflow
def test_causal_mask_that_is_off_by_one_is_found(monkeypatch):
    positions = StructuredMask._query_positions
    monkeypatch.setattr(StructuredMask, "_query_positions", lambda self: positions(self) + 1)
    with pytest.raises(AssertionError):
        run_quick("dot", EXAMPLES, shrink=False)


@only_tensorflow
def test_block_without_its_mask_is_found(monkeypatch):
    from keras_attention.kernels.dot.tensorflow.scores import ScoreSlicer

    def forget_masks(self):
        return []

    monkeypatch.setattr(ScoreSlicer, "_collect_masks", forget_masks)
    with pytest.raises(AssertionError):
        run_quick("multi_head", EXAMPLES, shrink=False)


def test_case_is_written_as_code_that_reproduces_it():
    case = Case(normalize="sparsemax", keys=3, seed=5)
    code = write_code("normalize", case)
    assert "reproduce('normalize', seed=5, normalize='sparsemax', keys=3)" in code
    reproduce("normalize", seed=5, normalize="sparsemax", keys=3)


def test_long_run_counts_the_configurations(monkeypatch, capsys):
    monkeypatch.setattr(program, "EXAMPLES", 3)
    clock = itertools.count()  # one second passes whenever the program asks for the time
    monkeypatch.setattr(program, "time", types.SimpleNamespace(monotonic=clock.__next__))
    assert program.main(["--minutes", "0.1", "--family", "normalize"]) == 0
    assert re.search(r"normalize: [1-9]\d* configurations, 0 failures", capsys.readouterr().out)


def test_long_run_reports_failures(monkeypatch, capsys):
    failure = Case(keys=3), AssertionError("output differs")
    monkeypatch.setattr(program, "run_round", lambda *arguments: (7, failure))
    assert program.main(["--minutes", "1", "--family", "normalize"]) == 1
    output = capsys.readouterr().out
    assert "normalize: AssertionError: output differs" in output
    assert "reproduce('normalize', keys=3)" in output
    assert "normalize: 21 configurations, 3 failures" in output
