"""The fuzz finds a kernel that is broken in one line."""

import dataclasses

import keras
import pytest

from keras_attention.mask.structured_mask import StructuredMask
from tests.fuzz.profiles import run_quick

EXAMPLES = 60
only_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="breaks a kernel of TensorFlow"
)


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
    from tests.fuzz.families.normalize import Case
    from tests.fuzz.reproduce import reproduce, write_code

    case = dataclasses.replace(Case(), normalize="sparsemax", keys=3, seed=5)
    code = write_code("normalize", case)
    assert "reproduce('normalize', seed=5, normalize='sparsemax', keys=3)" in code
    reproduce("normalize", seed=5, normalize="sparsemax", keys=3)


def test_long_run_counts_and_fails(monkeypatch, capsys):
    from tests.fuzz import __main__ as program

    counts = iter(range(10))
    monkeypatch.setattr(program.time, "monotonic", lambda: next(counts))
    assert program.main(["--minutes", "0.05", "--family", "normalize"]) == 0
    assert "normalize: " in capsys.readouterr().out
