"""The pointer network example: its quick run, targets, batches and answers."""

import json

import keras
import numpy as np
import pytest

if keras.backend.backend() != "tensorflow":
    pytest.skip("the examples run on TensorFlow", allow_module_level=True)

from examples import pointer_network
from examples.datasets.geometry import TASKS
from keras_attention.export.checks.fresh_process import run_calls
from keras_attention.layers.pointer.decode import Pointed


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    directory = tmp_path_factory.mktemp("pointer")
    folders = {name: str(directory / name) for name in ("runs", "pictures", "saved_models")}
    return directory, folders, pointer_network.main(quick=True, **folders)


@pytest.mark.ci
def test_the_quick_run_writes_pictures_figures_and_a_model(quick):
    directory, _, figures = quick
    assert figures.keys() == {"n = 5"} and figures["n = 5"].keys() == {"greedy", "beam of 3"}
    for name in ("pointer_hull_5_quick.png", "pointer_hull_5_quick_curve.png"):
        assert (directory / "pictures" / name).read_bytes()[:4] == b"\x89PNG"
    (file,) = directory.glob("runs/*/figures.json")
    assert json.loads(file.read_text())["figures"] == figures
    assert (directory / "saved_models/pointer_hull_5_quick/1/saved_model.pb").exists()


@pytest.mark.ci
def test_a_second_run_resumes_and_exports_again(quick, capsys, recorded_exports):
    directory, folders, figures = quick
    assert pointer_network.main(quick=True, **folders) == figures
    assert "Resuming after epoch 2" in capsys.readouterr().out
    assert recorded_exports == [directory / "saved_models/pointer_hull_5_quick"]


@pytest.mark.ci
def test_the_export_answers_equally_alone_and_padded_in_a_batch(quick):
    directory, *_ = quick
    path = directory / "saved_models/pointer_hull_5_quick/1"
    points = np.random.default_rng(0).random((2, 11, 2), "float32")
    inputs = [
        {"points": points, "lengths": np.array([7, 11], "int32")},
        {"points": points[:1, :7], "lengths": np.array([7], "int32")},
    ]
    batched, single = run_calls(path, [("decode", x) for x in inputs])
    assert batched["indices"].shape == (2, 12) and batched["probabilities"].shape == (2, 12, 12)
    for indices, n in zip(batched["indices"], (7, 11), strict=True):
        assert ((indices >= -1) & (indices < n)).all()
        assert len(set(indices[indices >= 0])) == (indices >= 0).sum()
    assert batched["lengths"][0] == single["lengths"][0] == (single["indices"] >= 0).sum()
    np.testing.assert_array_equal(batched["indices"][:1, :8], single["indices"])
    assert (batched["indices"][0, 8:] == -1).all()
    probabilities = batched["probabilities"][0]
    np.testing.assert_allclose(probabilities[:8, :8], single["probabilities"][0], atol=1e-5)
    assert (probabilities[:, 8:] == 0).all()  # padding is never pointed to


@pytest.mark.parametrize("name", TASKS)
def test_targets_are_the_answers_and_their_end(name):
    task = TASKS[name]
    _, answers = pointer_network.sample_instances(task, 5, 23, [7])
    targets = pointer_network.to_targets(task, answers)
    assert targets.shape == (23, task.longest(5) + task.ends) and targets.dtype == "int32"
    for row, indices in zip(targets, answers, strict=True):
        end = [0] if task.ends else []
        expected = (indices[indices >= 0] + task.ends).tolist() + end
        assert row.tolist() == expected + [-1] * (len(row) - len(expected))


@pytest.mark.parametrize("name", TASKS)
def test_the_network_of_every_task_gives_answers_of_its_shape(name):
    task = TASKS[name]
    model, encoder, decoder = pointer_network.make_network(task, 3)
    instances, expected = pointer_network.sample_instances(task, 4, 2, [7])
    inputs = pointer_network.make_example(task, instances, expected)
    logits = model([inputs[name] for name in ("targets", "points", "real")])
    assert logits.shape == (2, task.longest(4) + task.ends, 4 + task.ends)
    decode, _ = pointer_network.make_signature(
        task, pointer_network.make_pointer(task, encoder, decoder, beam_width=2)
    )
    outputs = keras.tree.map_structure(np.asarray, decode(inputs["points"], inputs["real"]))
    assert outputs["indices"].shape == (2, task.longest(4) + task.ends)
    if name in ("tsp", "sort"):
        assert (np.sort(outputs["indices"], axis=1) == np.arange(4)).all()


def test_only_equal_epochs_give_equal_batches():
    first, second, other = (
        list(pointer_network.make_batches(TASKS["hull"], (4, 6), 17, [0, 3, epoch]))
        for epoch in (5, 5, 6)
    )
    assert len(first) == 16  # 8 batches of each size
    assert sorted(inputs[1].shape[1] for inputs, _ in first) == [4] * 8 + [6] * 8
    keras.tree.map_structure(np.testing.assert_array_equal, first, second)
    points = ((a[0][1], b[0][1]) for a, b in zip(first, other, strict=True))
    assert any(a.shape != b.shape or (a.numpy() != b.numpy()).any() for a, b in points)


@pytest.mark.parametrize("name", ["sort", "hull"])
def test_answers_are_computed_in_full_padded_batches(name, monkeypatch):
    monkeypatch.setattr(pointer_network, "INSTANCES_PER_CALL", 3)
    task, calls = TASKS[name], []
    instances, expected = pointer_network.sample_instances(task, 5, 4, [7])
    targets = pointer_network.to_targets(task, expected)

    def point(points, real):
        calls.append((points.shape, real.tolist()))
        first = 3 * (len(calls) - 1)
        return Pointed(targets[np.arange(first, first + 3) % 4], None, None, None)

    np.testing.assert_array_equal(pointer_network.predict(point, task, instances, 7), expected)
    shape = (3, 7, task.width)
    assert calls == [(shape, [[True] * 5 + [False] * 2] * 3)] * 2


def test_a_triangulation_without_an_end_is_not_truncated():
    task = TASKS["delaunay"]
    count = pointer_network.INSTANCES_PER_CALL
    instances, expected = pointer_network.sample_instances(task, 5, count, [7])
    pointed = Pointed(np.pad(expected + 1, [(0, 0), (0, 3)], constant_values=1), None, None, None)
    answers = pointer_network.predict(lambda *_: pointed, task, instances, 5)
    assert answers.shape[1] == expected.shape[1] + 3


def test_no_training_instance_occurs_again_or_is_held_out(monkeypatch, tmp_path):
    class StopTraining(Exception):
        pass

    captured = {}

    def train(model, batches, epochs, directory, settings, after_epoch, count_targets):
        captured.update(batches=batches)
        raise StopTraining

    def sample_instances(task, n, count, seed):
        instances = task.sample(np.random.default_rng(seed), count, n)
        captured.setdefault("held out", []).append(instances)
        return instances, task.answer(instances)

    monkeypatch.setattr(pointer_network, "train", train)
    monkeypatch.setattr(pointer_network, "sample_instances", sample_instances)
    with pytest.raises(StopTraining):
        pointer_network.main(quick=True, runs=str(tmp_path))
    trained = [inputs[1].numpy() for epoch in (0, 1) for inputs, _ in captured["batches"](epoch)]
    points = np.concatenate([*trained, *captured["held out"]]).reshape(-1, 10)
    assert len(captured["held out"]) == 2
    assert len(np.unique(points.astype("float32"), axis=0)) == len(points)


def test_polygons_are_drawn_as_closed_lines_and_orders_as_open_ones():
    indices = np.array([0, 2, 1, 1, 2, 3])
    assert [line.tolist() for line in pointer_network.get_lines("sort", indices[:3])] == [[0, 2, 1]]
    assert [line.tolist() for line in pointer_network.get_lines("tsp", indices[:3])] == [
        [0, 2, 1, 0]
    ]
    triangles = [[0, 2, 1, 0], [1, 2, 3, 1]]
    assert [line.tolist() for line in pointer_network.get_lines("delaunay", indices)] == triangles


@pytest.mark.parametrize(
    "sizes", [{"smallest": 2}, {"largest": 4}, {"epochs": 0}, {"task": "tsp", "largest": 13}]
)
def test_impossible_sizes_are_refused(sizes):
    with pytest.raises(ValueError, match="Expected 3 <= smallest <= largest <= "):
        pointer_network.main(**sizes)


def test_a_file_of_hulls_is_refused_for_another_task():
    with pytest.raises(ValueError, match="Expected `instances` with task='hull'.*task='tsp'"):
        pointer_network.main(task="tsp", instances="hulls.npz")


@pytest.mark.slow
def test_the_full_run_learns_to_sort(tmp_path):
    folders = {name: str(tmp_path / name) for name in ("runs", "pictures", "saved_models")}
    figures = pointer_network.main("sort", smallest=10, epochs=4, **folders)
    assert figures["n = 10"]["greedy"]["accuracy"] > 0.99
