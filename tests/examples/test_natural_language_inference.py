"""Natural language inference: its quick run, pairs, network, and export."""

import keras
import numpy as np
import pytest

if keras.backend.backend() != "tensorflow":
    pytest.skip("the examples run on TensorFlow", allow_module_level=True)

from examples import natural_language_inference
from examples.datasets import inference
from examples.fusion_network import MODELS as FUSIONS
from examples.fusion_network import make_fusion
from examples.inference_network import DistanceScore, make_decomposable
from keras_attention.export.checks.fresh_process import run_calls

FOLDERS = ("runs", "pictures", "saved_models")
CAPTIONS = (
    "a man in a red shirt rides a bike .",
    "two dogs run on the beach .",
    "a young girl is sitting in the kitchen .",
    "three men and a woman are walking outside .",
)
SIZE = 9


def make_pairs():
    rng = np.random.default_rng(0)
    return [inference.make_pair(CAPTIONS[n % 4].split(), rng) for n in range(64)]


def make_model(model="decomposable"):
    keras.utils.set_random_seed(0)
    make_network = make_fusion if model in FUSIONS else make_decomposable
    _, network = make_network(model, SIZE, units=6)
    return network


def make_ids(*lengths):
    rng = np.random.default_rng(0)
    names = ("premise_ids", "hypothesis_ids")
    return {
        n: rng.integers(1, SIZE, (2, t)).astype("int32")
        for n, t in zip(names, lengths, strict=True)
    }


def call(network, ids):
    return {name: x.numpy() for name, x in network(ids).items()}


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    directory = tmp_path_factory.mktemp("inference")
    folders = {name: str(directory / name) for name in FOLDERS}
    with pytest.MonkeyPatch.context() as patch:
        pairs = dict.fromkeys(inference.PARTS, make_pairs())
        patch.setitem(inference.DATA, "rules", lambda: pairs)
        yield directory, natural_language_inference.main(quick=True, **folders)


@pytest.mark.ci
def test_the_quick_run_writes_figures_a_picture_and_a_model(quick):
    directory, figures = quick
    assert 0 <= figures["test accuracy"] <= 1
    assert 1 / 3 <= figures["most frequent label of test"] < 0.5
    path = directory / "pictures/inference_rules_decomposable_quick.png"
    assert path.read_bytes()[:4] == b"\x89PNG"
    assert (directory / "runs/inference_rules_decomposable_quick-seed0/figures.json").exists()


@pytest.mark.ci
def test_the_export_answers_each_pair_as_if_it_were_alone(quick):
    directory, _ = quick
    path = directory / "saved_models/inference_rules_decomposable_quick/1"
    premises = [b"A man rides a bike.", b"", b"dogs " * 60]
    inputs = {"premise": premises, "hypothesis": premises[::-1]}
    inputs = {name: np.array(texts) for name, texts in inputs.items()}
    rows = [{name: texts[n : n + 1] for name, texts in inputs.items()} for n in range(3)]
    batch, *alone = run_calls(path, [("infer", x) for x in (inputs, *rows)])
    for name, values in batch.items():
        expected = np.concatenate([answer[name] for answer in alone])
        if values.dtype == object:
            np.testing.assert_array_equal(values, expected)
        else:
            np.testing.assert_allclose(values, expected, rtol=1e-4, atol=1e-6)
    words = [b"a", b"man", b"rides", b"a", b"bike", b".", b""]
    np.testing.assert_array_equal(batch["premise_words"][0, :7], words)
    assert all(label.decode() in inference.LABELS for label in batch["judgment"])
    np.testing.assert_allclose(batch["weights"][0].sum(-1), np.arange(40) < 6, atol=1e-5)
    assert not batch["weights"][1].any()  # the empty premise has no words


@pytest.mark.slow
@pytest.mark.parametrize("model", ["decomposable-intra", *FUSIONS])
def test_the_quick_run_of_the_other_networks(model, tmp_path, monkeypatch):
    monkeypatch.setitem(
        inference.DATA, "rules", lambda: dict.fromkeys(inference.PARTS, make_pairs())
    )
    folders = {name: str(tmp_path / name) for name in FOLDERS}
    figures = natural_language_inference.main(model=model, quick=True, **folders)
    assert 0 <= figures["test accuracy"] <= 1


@pytest.mark.parametrize("model", ["decomposable", "decomposable-intra"])
def test_swapping_the_sentences_swaps_the_alignments(model):
    network, ids = make_model(model), make_ids(4, 6)
    outputs = call(network, ids)
    swapped = call(network, dict(zip(ids, list(ids.values())[::-1], strict=True)))
    np.testing.assert_allclose(swapped["weights"], outputs["hypothesis_weights"], atol=1e-6)
    np.testing.assert_allclose(swapped["hypothesis_weights"], outputs["weights"], atol=1e-6)
    assert outputs["weights"].shape == (2, 4, 6)


@pytest.mark.parametrize("model", ["decomposable", "decomposable-intra", *FUSIONS])
def test_padding_changes_nothing(model):
    network, ids = make_model(model), make_ids(4, 6)
    padded = {name: np.pad(x, [(0, 0), (0, 3)]) for name, x in ids.items()}
    outputs, expected = call(network, padded), call(network, ids)
    np.testing.assert_allclose(outputs["logits"], expected["logits"], atol=1e-6)
    weights = outputs["hypothesis_weights"]
    np.testing.assert_allclose(weights[:, :6, :4], expected["hypothesis_weights"], atol=1e-6)
    assert not weights[:, 6:].any() and not weights[:, :, 4:].any()
    no_words = {name: np.zeros_like(x) for name, x in ids.items()}
    assert np.isfinite(call(network, no_words)["logits"]).all()


def test_the_network_has_the_equations_of_the_paper():
    network, ids = make_model(), make_ids(3, 4)
    outputs = call(network, ids)

    def apply(name, x):
        return network.get_layer(name)(x).numpy().astype("float64")

    table = network.get_layer("words").embeddings
    a, b = (apply("projection", np.array(table)[x[0]][None])[0] for x in ids.values())
    scores = apply("f", a[None])[0] @ apply("f", b[None])[0].T
    exp = np.exp(scores)
    to_b, to_a = exp / exp.sum(1, keepdims=True), (exp / exp.sum(0)).T
    sums = []
    for words, other_words, weights in ((a, b, to_b), (b, a, to_a)):
        total = 0
        for word, row in zip(words, weights, strict=True):
            aligned = sum(weight * other for weight, other in zip(row, other_words, strict=True))
            total = total + apply("g", np.concatenate([word, aligned])[None, None])[0, 0]
        sums.append(total)
    logits = apply("labels", apply("h", np.concatenate(sums)[None]))
    np.testing.assert_allclose(outputs["weights"][0], to_b, atol=1e-5)
    np.testing.assert_allclose(outputs["hypothesis_weights"][0], to_a, atol=1e-5)
    np.testing.assert_allclose(outputs["logits"][:1], logits, atol=1e-5)


def test_the_score_adds_a_bias_for_each_distance():
    score = DistanceScore(max_distance=2)
    query = np.random.default_rng(0).normal(size=(1, 5, 3)).astype("float32")
    score.build(query.shape, query.shape)
    score.bias.assign([10.0, 20.0, 30.0, 40.0, 50.0])
    actual = np.array(score(query, query))[0]
    for i in range(5):
        for j in range(5):
            bias = 30 + 10 * max(-2, min(2, j - i))
            np.testing.assert_allclose(actual[i, j], query[0, i] @ query[0, j] + bias, rtol=1e-5)
    assert DistanceScore.from_config(score.get_config()).max_distance == 2


def test_one_word_decides_the_label_of_a_pair():
    broader, opposite = inference.BROADER, inference.OPPOSITE
    narrower = {"neutral": 0, "contradiction": 0, "entailment": 0}
    for pair in make_pairs():
        label = inference.LABELS[pair.label]
        words = list(zip(pair.premise, pair.hypothesis, strict=True))
        changed = [(a, b) for a, b in words if a != b]
        deciding = {
            "neutral": [pair for pair in changed if broader.get(pair[1]) == pair[0]],
            "contradiction": [pair for pair in changed if opposite.get(pair[0]) == pair[1]],
        }
        for name, matches in deciding.items():
            assert len(matches) == (name == label)
        broadened = [pair for pair in changed if broader.get(pair[0]) == pair[1]]
        assert len(broadened) + (label != "entailment") == len(changed) > 0
        narrower[label] += 1
    assert all(narrower.values())


def test_a_caption_without_the_words_has_no_pair():
    assert inference.make_pair("a rock".split(), np.random.default_rng(0)) is None


def test_batches_have_pairs_of_similar_length():
    pairs, rng = make_pairs(), np.random.default_rng(0)
    words = natural_language_inference.Words(s for pair in pairs for s in pair[:2])
    batches = natural_language_inference.make_batches(pairs, words, (8, 10, 12), 4, rng)
    assert sum(len(labels) for _, labels in batches) > len(pairs) - 3 * 4
    for ids, labels in batches:
        [shape] = {x.shape for x in ids.values()}
        assert shape in {(4, 8), (4, 10)} and labels.shape == (4,)
