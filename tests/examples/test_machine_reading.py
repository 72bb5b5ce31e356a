"""Machine reading: its quick runs, batches, perplexity, weights over the past, and export."""

import keras
import numpy as np
import pytest
import tensorflow as tf

if keras.backend.backend() != "tensorflow":
    pytest.skip("the examples run on TensorFlow", allow_module_level=True)

from examples import machine_reading, reading_tasks
from examples.datasets import treebank
from examples.reading_export import make_splitter, split_for_penn
from examples.reading_network import Reader, make_classifier, make_language_model
from keras_attention.export.checks.fresh_process import run_calls

WORDS = "the company said shares fell in new york stock exchange trading <unk> N".split()
FOLDERS = ("runs", "pictures", "saved_models")
SIZE = 11


def make_sentences(count=48):
    rng = np.random.default_rng(0)
    return [list(rng.choice(WORDS, rng.integers(1, 30))) for _ in range(count)]


@pytest.fixture(scope="module", autouse=True)
def data():
    """Give the example random sentences in place of the data sets."""
    sentences = make_sentences()
    labels = np.arange(len(sentences), dtype="int32") % 5
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(treebank, "load_penn", lambda: dict.fromkeys(treebank.PARTS, sentences))
        rated = dict.fromkeys(treebank.PARTS, (sentences, labels))
        patch.setattr(treebank, "load_sentiment", lambda: rated)
        yield


def make_networks(max_length=12, seed=0, model="lstmn"):
    keras.utils.set_random_seed(seed)
    return make_language_model(Reader(model, SIZE, units=6, embedding=4), max_length)


def make_ids(*shape):
    return np.random.default_rng(0).integers(1, SIZE, shape).astype("int32")


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    directory = tmp_path_factory.mktemp("reading")
    folders = {name: str(directory / name) for name in FOLDERS}
    return directory, machine_reading.main(quick=True, **folders)


@pytest.mark.ci
def test_the_quick_run_writes_figures_pictures_and_a_model(quick):
    directory, figures = quick
    for part in ("validation", "test"):
        assert 1 < figures[f"{part} perplexity"] < 30
    for end in ("", "_text", "_curve"):
        path = directory / f"pictures/machine_reading_language_lstmn_quick{end}.png"
        assert path.read_bytes()[:4] == b"\x89PNG"
    assert (directory / "pictures/machine_reading_language_lstmn_quick_text.html").exists()
    assert (directory / "runs/machine_reading_language_lstmn_quick-seed0/figures.json").exists()


@pytest.mark.ci
def test_the_export_answers_each_text_as_if_it_were_alone(quick):
    directory, _ = quick
    path = directory / "saved_models/machine_reading_language_lstmn_quick/1"
    texts = [b"The company said", b"", b"shares " * 100, b"unheard words"]
    rows = [{"text": np.array([text])} for text in texts]
    names = ["next_word", "perplexity"]
    inputs = [(name, x) for name in names for x in ({"text": np.array(texts)}, *rows)]
    answers = run_calls(path, inputs)
    for batch, *alone in (answers[:5], answers[5:]):
        for name, values in batch.items():
            expected = np.concatenate([answer[name] for answer in alone])
            if values.dtype == object:
                np.testing.assert_array_equal(values, expected)
            else:
                np.testing.assert_allclose(values, expected, rtol=1e-4, atol=1e-6)
    best, perplexity = answers[0], answers[5]["perplexity"]
    assert (np.diff(best["probabilities"]) <= 0).all() and (best["probabilities"] > 0).all()
    assert b"</s>" in best["words"][0] and b"<unk>" not in best["words"]
    np.testing.assert_array_equal(best["read"][0, :5], [b"<s>", b"the", b"company", b"said", b""])
    assert (perplexity > 1).all()
    steps = [4, 1, treebank.MAX_STEPS, 3]
    for weights, count in zip(best["weights"], steps, strict=True):
        expected = (0 < np.arange(treebank.MAX_STEPS)) & (np.arange(treebank.MAX_STEPS) < count)
        np.testing.assert_allclose(weights.sum(-1), expected, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("options", [{"task": "sentiment"}, {"model": "lstm"}])
def test_the_other_task_and_the_other_model_run(options, tmp_path):
    folders = {name: str(tmp_path / name) for name in FOLDERS}
    figures = machine_reading.main(quick=True, **options, **folders)
    if "task" in options:
        assert 0 <= figures["test accuracy of two classes"] <= 1
        assert figures["test accuracy"] < 1
    else:
        assert 1 < figures["test perplexity"] < 30
        assert not list((tmp_path / "pictures").glob("*_text.*"))  # an LSTM has no weights


def test_pieces_of_a_sentence_have_every_word_once():
    ids = np.arange(11)
    pieces = treebank.divide_sequence((ids[:-1], ids[1:]), 4)
    assert [len(x) for x, _ in pieces] == [4, 4, 2]
    np.testing.assert_array_equal(np.concatenate([x for x, _ in pieces]), ids[:-1])
    np.testing.assert_array_equal(np.concatenate([y for _, y in pieces]), ids[1:])


def test_batches_have_sequences_of_similar_length():
    rng = np.random.default_rng(0)
    samples = [(np.full(n, n), n) for n in rng.integers(1, 13, 101)]
    batches = treebank.make_batches(samples, (4, 8, 12), 24)
    for ids, targets in batches:
        assert ids.dtype == targets.dtype == np.int32
        assert ids.size <= 24 and (targets <= ids.shape[1]).all()
        assert (targets > ids.shape[1] - 4).all()
        np.testing.assert_array_equal(
            ids, targets[:, None] * (np.arange(ids.shape[1]) < targets[:, None])
        )
    every = np.concatenate([targets for _, targets in batches])
    np.testing.assert_array_equal(np.sort(every), sorted(n for _, n in samples))
    shuffled = treebank.make_batches(samples, (4, 8, 12), 24, rng)
    assert {ids.shape for ids, _ in shuffled} == {(6, 4), (3, 8), (2, 12)}
    assert sum(len(ids) for ids, _ in shuffled) > 101 - 6 - 3 - 2


@pytest.mark.parametrize("model", ["lstmn", "lstm"])
def test_the_perplexity_is_that_of_each_sentence_alone(model):
    data = reading_tasks.Language(quick=True)
    short = [sentence for sentence in data.sentences["test"] if len(sentence) < 9][:5]
    data.samples["test"] = data.encode(short)
    keras.utils.set_random_seed(0)
    reader = Reader(model, len(data.words), units=6, embedding=4)
    _, network = data.make_networks(reader, treebank.MAX_STEPS)
    cost, count = 0.0, 0
    for sentence in short:
        middle = [data.words.ids.get(word, data.words.unknown) for word in sentence]
        ids = [data.words.start, *middle, data.words.end]
        logits = network(np.array([ids[:-1]], "int32"))["logits"].numpy()[0].astype("float64")
        log_p = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
        cost -= sum(log_p[step, id] for step, id in enumerate(ids[1:]))
        count += len(sentence) + 1
    figures = data.measure(network, "test", 100)
    assert figures == {"test perplexity": pytest.approx(np.exp(cost / count), rel=1e-3)}


def test_the_loss_of_padding_is_left_out():
    data = reading_tasks.Language(quick=True)
    logits = np.random.default_rng(0).normal(size=(2, 5, SIZE)).astype("float32")
    targets = make_ids(2, 5) * (np.arange(5) < [[5], [2]])
    expected = sum(np.array(reading_tasks.sum_costs(logits, targets))) / 7
    np.testing.assert_allclose(data.make_loss()(targets, tf.constant(logits)), expected, rtol=1e-5)
    other = np.where(targets[..., None] == 0, 9.0, logits).astype("float32")
    np.testing.assert_allclose(data.make_loss()(targets, tf.constant(other)), expected, rtol=1e-5)


def test_a_network_for_longer_sentences_takes_the_weights_of_a_shorter_one():
    short, _ = make_networks(max_length=5)
    long, _ = make_networks(max_length=9, seed=1)
    long.set_weights(short.get_weights())
    ids = make_ids(2, 5)
    np.testing.assert_allclose(long(ids), short(ids), atol=1e-6)


def test_a_step_attends_to_the_steps_before_it():
    _, network = make_networks()
    weights = network(make_ids(3, 7))["weights"].numpy()
    assert (weights[:, np.arange(12) >= np.arange(7)[:, None]] == 0).all()
    np.testing.assert_allclose(weights.sum(-1), [[0] + [1] * 6] * 3, atol=1e-5)


def test_padding_does_not_change_the_sentiment():
    keras.utils.set_random_seed(0)
    network, _ = make_classifier(Reader("lstmn", SIZE, units=6, embedding=4), 12, 5)
    ids = make_ids(2, 6)
    np.testing.assert_allclose(network(np.pad(ids, [(0, 0), (0, 4)])), network(ids), atol=1e-6)
    assert np.isfinite(network(np.zeros((1, 3), "int32"))).all()


def test_the_splitter_reads_texts_as_in_training():
    words = reading_tasks.Language(quick=True).words
    split, _ = make_splitter(words, words.start, split_for_penn)
    text_words, ids = split(tf.constant(["Shares  fell", "", "1,234.5 n N never"]))
    expected = [[b"<s>", b"shares", b"fell", b"", b""], [b"<s>", b"", b"", b"", b""]]
    np.testing.assert_array_equal(text_words[:2], expected)
    shares, fell = words.ids["shares"], words.ids["fell"]
    numbers = [words.start, *[words.ids["N"]] * 3, words.unknown]
    np.testing.assert_array_equal(ids[0], [words.start, shares, fell, 0, 0])
    np.testing.assert_array_equal(ids[1:], [[words.start, 0, 0, 0, 0], numbers])
