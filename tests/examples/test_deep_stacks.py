"""The example of deep stacks: its quick run, its strings and its export."""

import keras
import numpy as np
import pytest

if keras.backend.backend() != "tensorflow":
    pytest.skip("the examples run on TensorFlow", allow_module_level=True)

from examples import deep_stacks
from keras_attention import export


@pytest.mark.ci
def test_the_quick_run_trains_draws_and_exports(tmp_path):
    folders = {name: str(tmp_path / name) for name in ("runs", "pictures", "saved_models")}
    figures = deep_stacks.main(quick=True, **folders)
    assert list(figures) == ["3 layers, plain", "3 layers, residual"]
    plain, residual = figures.values()
    assert plain["weights"] == residual["weights"] and plain["curve"] != residual["curve"]
    assert (tmp_path / "pictures/deep_stacks_quick.png").read_bytes()[:4] == b"\x89PNG"
    assert (tmp_path / "runs/deep_stacks_quick-seed0/figures.json").exists()
    path = tmp_path / "saved_models/deep_stacks_quick/1"
    outputs = export.run_in_c_loader(path, "reverse", {"text": np.array([b"123", b"", b"4x"])})
    assert outputs["reversed"].shape == outputs["score"].shape == (3,)


def test_targets_are_the_reversed_strings_and_an_end_mark():
    (source, shifted), target = deep_stacks.sample_batch([0, 1], 200)
    lengths = (source != deep_stacks.PADDING).sum(axis=1)
    assert set(lengths) == set(range(deep_stacks.SHORTEST, deep_stacks.LONGEST + 1))
    for row, digits, length in zip(target, source, lengths, strict=True):
        assert row[: length + 1].tolist() == [*digits[:length][::-1], deep_stacks.END]
        assert (row[length + 1 :] == deep_stacks.PADDING).all()
        assert deep_stacks.FIRST_DIGIT <= digits[:length].min()
        assert digits.max() < deep_stacks.IDS
    assert (shifted[:, 0] == deep_stacks.START).all()
    np.testing.assert_array_equal(shifted[:, 1:], target[:, :-1])


def test_a_string_is_right_only_if_all_of_its_ids_are():
    _, target = deep_stacks.sample_batch(deep_stacks.TEST_SEED, 4)

    class Model:
        def predict(self, inputs, **options):
            logits = 20.0 * np.eye(deep_stacks.IDS, dtype="float32")[target]
            logits[0, 0] = 0.0  # the first id of the first string is wrong
            logits[1, -1] = 0.0  # padding, unless the string has the maximum length
            return logits

        def count_params(self):
            return 0

    network = type("Network", (), {"model": Model()})
    curve = [{"loss": 1.0, "minutes": 0.0, "processor minutes": 0.0}]
    assert target[1, -1] == deep_stacks.PADDING
    assert deep_stacks.evaluate(network, curve, size=4)["strings right"] == 0.75
