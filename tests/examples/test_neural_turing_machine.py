"""The Neural Turing Machine example: its quick run, networks and figures."""

import json

import keras
import numpy as np
import pytest

from keras_attention.export.checks.fresh_process import run_calls

if keras.backend.backend() != "tensorflow":
    pytest.skip("the examples run on TensorFlow", allow_module_level=True)

from examples import neural_turing_machine as example
from examples.datasets.algorithms import NOTHING, copy, make_batch


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    directory = tmp_path_factory.mktemp("ntm")
    folders = {name: str(directory / name) for name in ("runs", "pictures", "saved_models")}
    figures = example.main(quick=True, **folders)
    return directory, folders, figures


def to_logits(bits):
    return (10 * (2 * np.asarray(bits) - 1)).astype("float32")


@pytest.mark.ci
def test_the_quick_run_writes_its_figures_pictures_and_model(quick):
    directory, _, figures = quick
    written = json.loads((directory / "runs/ntm_copy_quick-seed0/figures.json").read_text())
    assert written[example.FIGURE] == figures[example.FIGURE] > 0
    assert len(written["curve"]) == 2
    assert set(written["length 120"]) >= {"sequences with one vector twice", example.FIGURE}
    for picture in ("ntm_copy_quick", "ntm_copy_curve_quick"):
        assert (directory / f"pictures/{picture}.png").read_bytes()[:4] == b"\x89PNG"
    version = directory / "saved_models/ntm_copy_quick/1"
    assert sum(file.stat().st_size for file in version.rglob("*") if file.is_file()) < 2e6


@pytest.mark.ci
def test_the_export_accepts_any_number_and_length_of_sequences(quick):
    directory, *_ = quick
    path = directory / "saved_models/ntm_copy_quick/1"
    sizes = (1, 1), (3, 59)
    inputs = [{"sequence": np.zeros((*size, 9), "float32")} for size in sizes]
    names = "serving_default", "addresses"
    outputs = run_calls(path, [(name, x) for name in names for x in inputs])
    for (count, steps), output, addresses in zip(sizes, outputs[:2], outputs[2:], strict=True):
        probabilities = output["probabilities"]
        assert probabilities.shape == (count, steps, 8)
        assert ((probabilities > 0) & (probabilities < 1)).all()
        for weights in addresses.values():
            assert weights.shape == (count, steps, 1, 128)
            np.testing.assert_allclose(weights.sum(axis=-1), 1, atol=1e-5)


@pytest.mark.ci
def test_a_second_run_resumes_and_has_the_same_figures(quick, capsys, recorded_exports):
    directory, folders, figures = quick
    assert example.main(quick=True, **folders) == figures
    assert "Resuming after epoch 2" in capsys.readouterr().out
    assert recorded_exports == [directory / "saved_models/ntm_copy_quick"]


def test_equal_epochs_give_equal_batches():
    first, second, other = (
        list(example.make_batches(example.TASKS["copy"], 2, 3, [0, epoch])) for epoch in (4, 4, 5)
    )
    assert len(first) == 3
    keras.tree.map_structure(np.testing.assert_array_equal, first, second)
    assert not np.array_equal(first[0][0], other[0][0])


@pytest.mark.parametrize("task", example.TASKS)
def test_the_steps_of_a_task_are_its_maximum_length(task):
    rng = np.random.default_rng(0)
    algorithm = example.TASKS[task]
    longest = max(len(algorithm.episode(rng)[0]) for _ in range(40 if task == "ngrams" else 1500))
    assert longest == algorithm.steps


@pytest.mark.parametrize("task", example.TASKS)
@pytest.mark.parametrize("controller", example.CONTROLLERS)
def test_every_network_has_a_logit_per_bit(task, controller):
    algorithm = example.TASKS[task]
    model = example.make_network(algorithm, controller)
    inputs, targets = algorithm.episode(np.random.default_rng(0))
    assert model.input.shape[2] == inputs.shape[1]
    assert model.output.shape[2] == targets.shape[1]


def test_a_sequence_costs_one_bit_per_guessed_bit():
    _, targets = make_batch(copy, 3, np.random.default_rng(0))
    count = (targets != NOTHING).sum(axis=(1, 2))
    np.testing.assert_allclose(
        example.compute_bits(targets, np.zeros_like(targets)), count, rtol=1e-6
    )


def test_bits_are_the_negative_log_probability_of_the_target():
    targets = np.array([[[1.0, 0.0, NOTHING]]], "float32")
    logits = np.array([[[0.3, -2.0, 50.0]]], "float32")
    probabilities = 1 / (1 + np.exp([-0.3, -2.0]))
    np.testing.assert_allclose(
        example.compute_bits(targets, logits), [-np.log2(probabilities).sum()], rtol=1e-6
    )


def test_the_score_counts_wrong_bits_of_targets_only():
    targets = np.array([[[NOTHING, NOTHING], [1, 0]], [[1, 1], [0, 1]]], "float32")
    logits = to_logits([[[1, 1], [1, 0]], [[0, 1], [0, 1]]])
    figures = example.measure_errors(logits, targets)
    assert figures["wrong bits per sequence"] == 0.5
    assert figures["sequences all right"] == 0.5


def test_duplicates_are_counted_in_the_answer_only():
    _, targets = make_batch(copy, 4, np.random.default_rng(3), steps=19, length=7)
    logits = to_logits(targets > 0)
    logits[:, :8] = 10  # at steps without a target
    logits[1, 11:15] = logits[1, 10:14]  # one vector twice
    # Two vectors twice, which shifts the others.
    logits[2, 9:15] = np.repeat(logits[2, 8:11], 2, axis=0)
    logits[2, 8] = logits[2, 9]
    logits[3, 9] = -logits[3, 9]
    figures = example.count_duplicates(logits, targets)
    assert figures == {
        "sequences with one vector twice": 1,
        "sequences with several vectors twice": 1,
        "sequences with other errors": 1,
    }


def test_epochs_have_different_sequences(monkeypatch, tmp_path):
    class StopTraining(Exception):
        pass

    def train(model, batches, *arguments):
        first, second = (next(iter(batches(epoch)))[0].numpy() for epoch in (0, 1))
        assert not np.array_equal(first, second)
        raise StopTraining

    monkeypatch.setattr(example, "train", train)
    with pytest.raises(StopTraining):
        example.main(quick=True, runs=str(tmp_path))


def test_the_film_and_the_export_have_the_trained_weights(tmp_path):
    task, rng = example.TASKS["copy"], np.random.default_rng(0)
    model = example.make_network(task, "lstm")
    outputs = example.draw_memory(model, task, "lstm", rng, tmp_path / "film.png")
    inputs, _ = make_batch(copy, 2, rng, steps=9, length=3)
    probabilities = outputs(inputs)["probabilities"]
    np.testing.assert_allclose(probabilities, keras.ops.sigmoid(model(inputs)), atol=1e-5)


@pytest.mark.parametrize("sizes", [{"sequences": 1500}, {"batch": 7}, {"batch": 0}])
def test_a_number_of_sequences_without_whole_epochs_is_refused(sizes):
    with pytest.raises(ValueError, match="Expected `sequences` to be a multiple of 1000"):
        example.main(**sizes)


@pytest.mark.ci
def test_a_baseline_on_ngrams_reports_the_best_predictor(tmp_path):
    folders = {name: str(tmp_path / name) for name in ("runs", "pictures", "saved_models")}
    figures = example.main("ngrams", "baseline", quick=True, **folders)
    assert figures["bits of the best predictor"] < figures[example.FIGURE]
    assert not (tmp_path / "pictures/ntm_ngrams_baseline_quick.png").exists()  # it has no memory
    assert (tmp_path / "saved_models/ntm_ngrams_baseline_quick/1/saved_model.pb").exists()


@pytest.mark.slow
def test_the_full_run_learns_to_copy(tmp_path):
    folders = {name: str(tmp_path / name) for name in ("runs", "pictures", "saved_models")}
    assert example.main(**folders)[example.FIGURE] < 0.01
