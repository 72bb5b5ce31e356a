import json

import keras
import numpy as np
import pytest

from keras_attention import export

if keras.backend.backend() != "tensorflow":
    pytest.skip("the examples run on TensorFlow", allow_module_level=True)

from examples import pointer_network
from examples.datasets.geometry import TASKS
from keras_attention.layers.pointer.decode import Pointed


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    where = tmp_path_factory.mktemp("pointer")
    folders = {name: str(where / name) for name in ("runs", "pictures", "saved_models")}
    return where, folders, pointer_network.main(quick=True, **folders)


def test_the_quick_run_writes_pictures_figures_and_a_model(quick):
    where, _, reached = quick
    assert reached.keys() == {"n = 5"} and reached["n = 5"].keys() == {"greedy", "beam of 3"}
    for name in ("pointer_hull_5_quick.png", "pointer_hull_5_quick_curve.png"):
        assert (where / "pictures" / name).read_bytes()[:4] == b"\x89PNG"
    (file,) = where.glob("runs/*/figures.json")
    assert json.loads(file.read_text())["figures"] == reached
    assert (where / "saved_models/pointer_hull_5_quick/1/saved_model.pb").exists()


def test_a_second_run_resumes_and_writes_the_next_version(quick, capsys):
    where, folders, reached = quick
    assert pointer_network.main(quick=True, **folders) == reached
    assert "Resuming after epoch 2" in capsys.readouterr().out
    assert (where / "saved_models/pointer_hull_5_quick/2").exists()


def test_the_export_answers_alike_alone_and_padded_in_a_batch(quick):
    where, *_ = quick
    path = where / "saved_models/pointer_hull_5_quick/1"
    points = np.random.default_rng(0).random((2, 11, 2), "float32")
    given = {"points": points, "lengths": np.array([7, 11], "int32")}
    together = export.run_in_c_loader(path, "decode", given)
    assert together["indices"].shape == (2, 12) and together["probabilities"].shape == (2, 12, 12)
    for indices, n in zip(together["indices"], (7, 11), strict=True):
        assert ((indices >= -1) & (indices < n)).all()
        assert len(set(indices[indices >= 0])) == (indices >= 0).sum()
    given = {"points": points[:1, :7], "lengths": np.array([7], "int32")}
    alone = export.run_in_c_loader(path, "decode", given)
    assert together["lengths"][0] == alone["lengths"][0] == (alone["indices"] >= 0).sum()
    np.testing.assert_array_equal(together["indices"][:1, :8], alone["indices"])
    assert (together["indices"][0, 8:] == -1).all()
    probabilities = together["probabilities"][0]
    np.testing.assert_allclose(probabilities[:8, :8], alone["probabilities"][0], atol=1e-5)
    assert (probabilities[:, 8:] == 0).all()  # what is padding is never pointed to


@pytest.mark.parametrize("name", TASKS)
def test_targets_tell_the_answers_and_where_they_end(name):
    task = TASKS[name]
    drawn, answers = pointer_network.draw_instances(task, 5, 23, [7])
    targets = pointer_network.to_targets(task, answers)
    assert targets.shape == (23, task.longest(5) + task.ends) and targets.dtype == "int32"
    for row, indices in zip(targets, answers, strict=True):
        end = [0] if task.ends else []
        expected = (indices[indices >= 0] + task.ends).tolist() + end
        assert row.tolist() == expected + [-1] * (len(row) - len(expected))


@pytest.mark.parametrize("name", TASKS)
def test_the_network_of_every_task_points_to_every_kind_of_answer(name):
    task = TASKS[name]
    model, encoder, decoder = pointer_network.network(task, 3)
    drawn, true = pointer_network.draw_instances(task, 4, 2, [7])
    inputs = pointer_network.example(task, drawn, true)
    logits = model([inputs[name] for name in ("targets", "points", "real")])
    assert logits.shape == (2, task.longest(4) + task.ends, 4 + task.ends)
    decode, _ = pointer_network.signature(
        task, pointer_network.pointer(task, encoder, decoder, beam_width=2)
    )
    found = keras.tree.map_structure(np.asarray, decode(inputs["points"], inputs["real"]))
    assert found["indices"].shape == (2, task.longest(4) + task.ends)
    if name in ("tsp", "sort"):
        assert (np.sort(found["indices"], axis=1) == np.arange(4)).all()


def test_the_same_epoch_gives_the_same_batches_and_another_one_others():
    first, second, other = (
        list(pointer_network.batches(TASKS["hull"], (4, 6), 17, [0, 3, epoch]))
        for epoch in (5, 5, 6)
    )
    assert len(first) == 16  # whole rounds of 8 batches of each size
    assert sorted(inputs[1].shape[1] for inputs, _ in first) == [4] * 8 + [6] * 8
    keras.tree.map_structure(np.testing.assert_array_equal, first, second)
    assert any(
        one[0][1].shape != two[0][1].shape or (one[0][1].numpy() != two[0][1].numpy()).any()
        for one, two in zip(first, other, strict=True)
    )


@pytest.mark.parametrize("name", ["sort", "hull"])
def test_instances_are_answered_in_whole_padded_batches(name, monkeypatch):
    monkeypatch.setattr(pointer_network, "TESTED_AT_ONCE", 3)
    task, seen = TASKS[name], []
    drawn, true = pointer_network.draw_instances(task, 5, 4, [7])
    targets = pointer_network.to_targets(task, true)

    def point(points, real):
        seen.append((points.shape, real.tolist()))
        first = 3 * (len(seen) - 1)
        return Pointed(targets[np.arange(first, first + 3) % 4], None, None, None)

    np.testing.assert_array_equal(pointer_network.answers(point, task, drawn, 7), true)
    shape = (3, 7, task.width)
    assert seen == [(shape, [[True] * 5 + [False] * 2] * 3)] * 2


def test_a_triangulation_that_does_not_end_is_not_cut_to_be_right():
    task = TASKS["delaunay"]
    drawn, true = pointer_network.draw_instances(task, 5, pointer_network.TESTED_AT_ONCE, [7])
    more = np.pad(true + 1, [(0, 0), (0, 3)], constant_values=1)
    found = pointer_network.answers(lambda *_: Pointed(more, None, None, None), task, drawn, 5)
    assert found.shape[1] == true.shape[1] + 3


def test_what_is_learned_is_neither_learned_again_nor_what_is_tested(monkeypatch, tmp_path):
    class Enough(Exception):
        pass

    seen = {}

    def train(model, batches, epochs, directory, settings, after_epoch, counted):
        seen.update(batches=batches, after_epoch=after_epoch)
        raise Enough

    def draw_instances(task, n, count, seed):
        drawn = task.draw(np.random.default_rng(seed), count, n)
        seen.setdefault("held out", []).append(drawn)
        return drawn, task.answer(drawn)

    monkeypatch.setattr(pointer_network, "train", train)
    monkeypatch.setattr(pointer_network, "draw_instances", draw_instances)
    with pytest.raises(Enough):
        pointer_network.main(quick=True, runs=str(tmp_path))
    trained = [inputs[1].numpy() for epoch in (0, 1) for inputs, _ in seen["batches"](epoch)]
    points = np.concatenate([*trained, *seen["held out"]]).reshape(-1, 10)
    assert len(seen["held out"]) == 2
    assert len(np.unique(points.astype("float32"), axis=0)) == len(points)


def test_polygons_are_drawn_closed_and_orders_open():
    indices = np.array([0, 2, 1, 1, 2, 3])
    assert [line.tolist() for line in pointer_network.lines("sort", indices[:3])] == [[0, 2, 1]]
    assert [line.tolist() for line in pointer_network.lines("tsp", indices[:3])] == [[0, 2, 1, 0]]
    triangles = [[0, 2, 1, 0], [1, 2, 3, 1]]
    assert [line.tolist() for line in pointer_network.lines("delaunay", indices)] == triangles


@pytest.mark.parametrize(
    "sizes", [{"smallest": 2}, {"largest": 4}, {"epochs": 0}, {"task": "tsp", "largest": 13}]
)
def test_sizes_that_cannot_be_are_refused_at_once(sizes):
    with pytest.raises(ValueError, match="Expected 3 <= smallest <= largest <= "):
        pointer_network.main(**sizes)


def test_a_file_of_hulls_is_refused_for_another_task():
    with pytest.raises(ValueError, match="Expected `instances` with task='hull'.*task='tsp'"):
        pointer_network.main(task="tsp", instances="hulls.npz")


@pytest.mark.slow
def test_sorting_is_learned(tmp_path):
    folders = {name: str(tmp_path / name) for name in ("runs", "pictures", "saved_models")}
    reached = pointer_network.main("sort", smallest=10, epochs=4, **folders)
    assert reached["n = 10"]["greedy"]["accuracy"] > 0.99
