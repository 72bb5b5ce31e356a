"""The search for penalties: its scores are kept, and its quick run chooses and plots."""

import json
import os

import keras
import pytest

if keras.backend.backend() != "tensorflow":
    pytest.skip("the examples run on TensorFlow", allow_module_level=True)

from examples import translation_penalties
from examples.translation_penalties import Scores


def test_scores_are_measured_once_for_the_same_settings(tmp_path):
    calls = []

    def measure(*arguments):
        calls.append(arguments)
        return float(len(calls))

    path = tmp_path / "new/scores.json"
    assert Scores(path, {"beam width": 8}, measure).get("test", 0.2, 0.1) == 1.0
    resumed = Scores(path, {"beam width": 8}, measure)
    assert resumed.get("test", 0.2, 0.1) == 1.0
    assert resumed.get("validation", 0.2, 0.1) == 2.0
    assert Scores(path, {"beam width": 4}, measure).get("test", 0.2, 0.1) == 3.0
    assert calls == [("test", 0.2, 0.1), ("validation", 0.2, 0.1), ("test", 0.2, 0.1)]


def test_coverage_penalties_without_attention_are_refused():
    with pytest.raises(ValueError, match="Expected `betas` of 0 .*attention='none'"):
        translation_penalties.main(attention="none")


@pytest.mark.slow
@pytest.mark.skipif(not os.environ.get("TFDS_DATA_DIR"), reason="TFDS_DATA_DIR is not set")
def test_the_quick_run_chooses_penalties_on_validation(tmp_path):
    folders = {name: str(tmp_path / name) for name in ("runs", "pictures")}
    figures = translation_penalties.main(quick=True, **folders)
    directory = tmp_path / "runs/translate_additive_penalties_quick-seed0"
    scores = json.loads((directory / "scores.json").read_text())["scores"]
    alpha, beta = figures["best alpha and beta on validation"]
    best = max(score for key, score in scores.items() if key.startswith("validation"))
    assert scores[f"validation, alpha {alpha}, beta {beta}"] == best
    assert figures["test BLEU"] == scores[f"test, alpha {alpha}, beta {beta}"]
    picture = tmp_path / "pictures/translate_additive_penalties_quick.png"
    assert picture.read_bytes()[:4] == b"\x89PNG"
