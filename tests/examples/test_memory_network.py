"""Memory networks: several at once equal single ones; data, ages, the quick run and its export."""

import os

import keras
import numpy as np
import pytest

if keras.backend.backend() != "tensorflow":
    pytest.skip("the examples run on TensorFlow", allow_module_level=True)

import tensorflow as tf

from examples import memory_network, memory_networks, story_questions
from examples.datasets import babi
from examples.datasets.babi import Question, parse_stories
from examples.memory_networks import MemoryNetworks, clip_matrices, make_network
from examples.served_memory_network import make_answer
from examples.story_questions import Problem, draw_ages
from keras_attention.export.checks.fresh_process import run_calls

LINES = """1 Mary got the milk.
2 John moved to the garden.
3 Mary went to the hall.
4 Where is the milk? \thall\t1 3
5 John got the apple.
6 What is John carrying?\tapple,pear\t5
1 Ann slept.
2 Who slept?\tAnn\t1""".splitlines()


def make_questions(part, task=None):
    """Return questions for which two facts are needed: who has the ball, and where that one is."""
    rng = np.random.default_rng(len(part))
    names, places, questions = ["Ann", "Bob", "Cleo"], ["hall", "yard", "attic", "office"], []
    for story in range(160):
        rooms = dict(zip(names, rng.permutation(places), strict=False))
        owner = str(rng.choice(names))
        facts = [f"{name} is in the {room}." for name, room in rooms.items()]
        facts = [*facts, f"{owner} has the ball."]
        order = rng.permutation(len(facts))
        supporting = [list(order).index(3), list(order).index(names.index(owner))]
        facts = [facts[index] for index in order]
        text, answer = "Where is the ball?", str(rooms[owner])
        questions.append(Question(facts, text, answer, supporting, story // 2))
    return questions


@pytest.fixture
def problem(monkeypatch):
    monkeypatch.setattr(babi, "load_questions", make_questions)
    return Problem("1", hops=2, seed=0)


def create(problem, restarts=2, **options):
    rngs = [np.random.default_rng(number) for number in range(restarts)]
    sizes = problem.sentences, len(problem.vocabulary), problem.places, restarts
    return MemoryNetworks(*sizes, units=5, hops=2, rngs=rngs, **options)


def make_inputs(problem):
    data = problem.encoded["training"]
    ages = draw_ages(data.counts, problem.places, np.random.default_rng(0))
    return {"facts": data.facts, "question": data.texts, "ages": ages}, {
        "answers": data.answers,
        "supporting": data.supporting,
    }


@pytest.mark.parametrize("encoding", ["authors", "paper", None])
def test_each_of_several_networks_equals_a_single_one(problem, encoding):
    networks = create(problem, encoding=encoding)
    questions = problem.questions["test"][:3]
    questions[1] = questions[1]._replace(facts=questions[1].facts[:2])
    data, sentences = story_questions.encode(questions, problem.vocabulary, problem.places, 2)
    networks.features = tf.constant(
        memory_networks.make_features(
            problem.vocabulary.encode(sentences), len(problem.vocabulary), encoding
        )
    )
    ages = draw_ages(data.counts, problem.places)
    logits, weights = networks({"facts": data.facts, "question": data.texts, "ages": ages})
    network = make_network(
        *(len(problem.vocabulary), problem.vocabulary.length, problem.places), 5, 2, encoding
    )
    for restart in range(2):
        networks.copy_to(network, restart)
        outputs = network(problem.make_inputs(questions))
        expected = tf.nn.softmax(logits[:, restart])
        np.testing.assert_allclose(outputs["probabilities"], expected, atol=1e-6)
        np.testing.assert_allclose(outputs["weights"], weights[:, restart], atol=1e-6)
    assert np.abs(logits[:, 0] - logits[:, 1]).max() > 0.1
    assert not weights[1, :, :, 2:].numpy().any()


def test_a_network_does_not_depend_on_the_others(problem):
    results = []
    for restarts in (1, 3):
        networks = create(problem, restarts)
        networks.compile(keras.optimizers.SGD(0.05), run_eagerly=True)
        for _ in range(3):
            networks.train_on_batch(*make_inputs(problem))
        results.append([variable[:, 0].numpy() for variable in networks.trainable_variables])
    for single, beside_others in zip(*results, strict=True):
        np.testing.assert_allclose(single, beside_others, atol=1e-5)


def test_padding_is_not_trained(problem):
    networks = create(problem)
    networks.compile(keras.optimizers.SGD(0.05), run_eagerly=True)
    before = networks.words.numpy()
    networks.train_on_batch(*make_inputs(problem))
    changes = np.abs(networks.words.numpy() - before).max(axis=(1, 3))
    # The last matrix, which computes the logits, learns that padding is no answer.
    assert not changes[:-1, 0].any()
    assert changes[:, 1:].max(axis=0).min() > 0


def test_supervised_hops_attend_to_the_supporting_facts(problem):
    networks = create(problem, restarts=2, is_supervised=True)
    networks.compile(keras.optimizers.SGD(0.005), run_eagerly=True)
    inputs, targets = make_inputs(problem)
    for _ in range(60):
        networks.train_on_batch(inputs, targets)
    _, weights = networks(inputs)
    attended = weights.numpy().argmax(axis=-1)
    assert np.mean(attended == targets["supporting"][:, None]) > 0.9


def test_linear_start_shares_the_weights(problem):
    networks = create(problem)
    linear = create(problem, normalize="linear", share=networks)
    assert linear.trainable_variables == networks.trainable_variables
    inputs, _ = make_inputs(problem)
    assert np.abs(linear(inputs)[0] - networks(inputs)[0]).max() > 1e-3


def test_each_matrix_is_clipped_alone():
    gradient = tf.constant([[[30.0, 40.0]], [[300.0, 400.0]], [[3.0, 4.0]]])[:, None]
    clipped = clip_matrices(gradient).numpy()[:, 0, 0]
    np.testing.assert_allclose(clipped, [[24, 32], [24, 32], [3, 4]], rtol=1e-6)


def test_ages_count_from_the_last_fact():
    np.testing.assert_array_equal(draw_ages(np.array([3, 1, 0]), 4)[:2], [[2, 1, 0, 0], [0] * 4])


def test_noise_leaves_out_at_most_a_tenth_of_the_ages():
    counts = np.array([20, 7, 1, 0] * 200)
    ages = draw_ages(counts, 20, np.random.default_rng(0))
    for row, count in zip(ages, counts, strict=True):
        assert not row[count:].any()
        steps = -np.diff(row[:count])
        assert (steps >= 1).sum() >= count - 3  # the oldest ages are clipped
        assert row[:count].max(initial=0) <= min(max(count - 1 + np.ceil(0.1 * count), 0), 19)
    assert (ages[::4].max(axis=1) == 19).all()
    assert 0.3 < np.mean(ages[1::4, 0] == 7) < 0.7  # one of the ages 0 to 7 is left out or none


def test_stories_are_parsed_with_places_of_supporting_facts():
    first, second = parse_stories(LINES)
    assert len(first["statements"]) == 4
    milk, apple = first["questions"]
    expected = {"question": "Where is the milk?", "answer": "hall", "told": 3, "supporting": "0 2"}
    assert milk == expected
    assert (apple["answer"], apple["told"], apple["supporting"]) == ("apple,pear", 4, "3")
    assert second["questions"][0]["supporting"] == "0"


def test_only_the_last_facts_are_kept():
    facts = [f"Fact {number}." for number in range(5)]
    question = Question(facts, "Which?", "4", [0, 4], 0)
    vocabulary = story_questions.Vocabulary([question])
    data, sentences = story_questions.encode([question], vocabulary, places=3, hops=3)
    assert [sentences[index] for index in data.facts[0]] == facts[2:]
    assert data.supporting.tolist() == [[-1, 2, -1]]
    assert vocabulary.words[data.answers[0]] == "4"


def test_questions_of_a_story_are_in_one_part(problem):
    training, validation = (
        {question.story for question in problem.questions[part]}
        for part in ("training", "validation")
    )
    assert (len(training), len(validation)) == (72, 8)
    assert not training & validation


def test_answers_to_texts_equal_those_to_ids(problem):
    networks = create(problem, restarts=1)
    network = make_network(
        *(len(problem.vocabulary), problem.vocabulary.length, problem.places), 5, 2
    )
    networks.copy_to(network, 0)
    answer, _ = make_answer(network, problem)
    questions = problem.questions["test"][:2]
    expected = network(problem.make_inputs(questions))
    older = ["Ann has the ball", "Bob has the BALL!"]  # left out: they are too old
    statements = [[*older, *question.facts, "", "xyz?"] for question in questions]
    outputs = answer(tf.constant(statements), tf.constant([q.text.upper() for q in questions]))
    np.testing.assert_allclose(outputs["weights"][..., 2:6], expected["weights"], atol=1e-6)
    assert not outputs["weights"].numpy()[..., [0, 1, 6, 7]].any()
    words = [problem.vocabulary.words[i] for i in expected["probabilities"].numpy().argmax(axis=1)]
    assert [word.decode() for word in outputs["answer"].numpy()] == words


@pytest.mark.ci
def test_the_quick_run_writes_figures_a_picture_and_an_export(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(babi, "load_questions", make_questions)
    folders = {name: str(tmp_path / name) for name in ("runs", "pictures", "saved_models")}
    figures = memory_network.main(quick=True, hops=2, **folders)
    name = "memory_network_2_hops_quick_qa16"
    assert len(figures["tasks"]["16"]["test errors of all networks"]) == 2
    assert (tmp_path / f"pictures/{name}.png").read_bytes()[:4] == b"\x89PNG"
    request = {
        "statements": np.array([[b"Ann is in the hall.", b"Ann has the ball.", b""]]),
        "question": np.array([b"Where is the ball?"]),
    }
    [outputs] = run_calls(tmp_path / f"saved_models/{name}/1", [("answer", request)])
    np.testing.assert_allclose(outputs["weights"].sum(axis=-1), np.ones((1, 2)), atol=1e-5)
    assert not outputs["weights"][..., 2].any()
    capsys.readouterr()
    resumed = memory_network.main(quick=True, hops=2, **folders)
    assert capsys.readouterr().out.count("Resuming after epoch 2") == 2
    assert resumed["mean test error"] == figures["mean test error"]


@pytest.mark.skipif(not os.environ.get("TFDS_DATA_DIR"), reason="TFDS_DATA_DIR is not set")
@pytest.mark.parametrize("part", ["train", "test"])
def test_the_prepared_data_set_has_a_thousand_questions_a_task(part):
    questions = babi.load_questions(part)
    assert len(questions) == 20_000
    assert len(babi.load_questions(part, 16)) == 1000
    assert all(max(q.supporting) < len(q.facts) for q in questions)
