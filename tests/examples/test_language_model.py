"""The language model: its quick run, windows, masks, key/value cache, sampling and export."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

if keras.backend.backend() != "tensorflow":
    pytest.skip("the examples run on TensorFlow", allow_module_level=True)

from examples import language_export, language_model
from examples.datasets import shakespeare
from examples.language_network import LanguageModel
from keras_attention.export.checks.fresh_process import run_calls

SIZE, CONTEXT = 7, 6
WORDS = "to be or not, that is the question:\nWhether 'tis nobler in the mind".split(" ")
FOLDERS = ("runs", "pictures", "saved_models")


def make_texts():
    """Return random texts of Shakespeare's words, in place of the data set."""
    rng = np.random.default_rng(0)
    return {part: " ".join(rng.choice(WORDS, 400)) for part in shakespeare.PARTS}


def make_network(seed=0, **options):
    keras.utils.set_random_seed(seed)
    return LanguageModel(SIZE, CONTEXT, blocks=2, heads=2, units=8, **options)


def make_ids(*shape, seed=0):
    return np.random.default_rng(seed).integers(SIZE, size=shape).astype("int32")


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    directory = tmp_path_factory.mktemp("language")
    folders = {name: str(directory / name) for name in FOLDERS}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shakespeare, "load_texts", make_texts)
        yield directory, language_model.main(quick=True, **folders)


@pytest.mark.ci
def test_the_quick_run_writes_figures_pictures_and_a_model(quick):
    directory, figures = quick
    # A uniform distribution costs log(20) = 3.0 nats.
    assert 0 < figures["test loss"] < 3.5 and 0 < figures["validation loss"] < 3.5
    assert figures["characters per second with the cache"] > 0
    for name in ("heads", "curve"):
        path = directory / f"pictures/language_model_quick_{name}.png"
        assert path.read_bytes()[:4] == b"\x89PNG"
    assert (directory / "pictures/language_model_quick_heads.html").exists()
    assert (directory / "runs/language_model_quick-seed0/figures.json").exists()


@pytest.mark.ci
def test_the_export_answers_each_row_as_if_it_were_alone(quick):
    directory, _ = quick
    path = directory / "saved_models/language_model_quick/1"
    prompts = ["to be", "", "x§ question: " * 20, "to be"]
    inputs = {
        "text": np.array([prompt.encode() for prompt in prompts]),
        "length": np.array([40, 3, 0, 25], "int32"),
        "temperature": np.array([1.0, 0.0, 1.0, 1.0], "float32"),
        "seed": np.array([5, 6, 7, 5], "int32"),
    }
    rows = [{name: array[i : i + 1] for name, array in inputs.items()} for i in range(4)]
    batch, *alone = run_calls(path, [("complete", x) for x in (inputs, *rows)])
    texts = [text.decode() for text in batch["text"]]
    assert [len(text) for text in texts] == [40, 3, 0, 25]
    assert texts == [answer["text"][0].decode() for answer in alone]
    assert texts[3] == texts[0][:25]


@pytest.mark.slow
def test_the_masked_objective_trains_and_plots(tmp_path, monkeypatch):
    monkeypatch.setattr(shakespeare, "load_texts", make_texts)
    folders = {name: str(tmp_path / name) for name in FOLDERS}
    figures = language_model.main(objective="masked", quick=True, **folders)
    assert 0 < figures["test loss"] < 4
    picture = tmp_path / "pictures/language_model_masked_quick_heads.png"
    assert picture.read_bytes()[:4] == b"\x89PNG"


def test_the_loss_of_a_batch_is_the_sum_of_the_steps_through_the_cache():
    network, ids = make_network(), make_ids(3, CONTEXT + 1)
    expected = language_model.sum_costs(network.model, ids[:, :-1], ids[:, 1:])
    tokens, caches = network.begin(ids[:, :1], np.ones(3, "int32"), CONTEXT)
    total = 0.0
    for position in range(CONTEXT):
        logits, caches, _ = network.step(ids[:, position], caches)
        log_p = ops.convert_to_numpy(ops.log_softmax(logits))
        total -= np.take_along_axis(log_p, ids[:, position + 1, None], axis=1).sum()
    np.testing.assert_array_equal(tokens, ids[:, 0])
    np.testing.assert_allclose(total, expected, rtol=1e-5)


def test_the_scores_of_samples_are_those_of_the_model():
    network, prompts = make_network(), make_ids(3, 4)
    decoded = network.sample(prompts, [4, 2, 1], 9, seed=0)
    for row, count in enumerate([4, 2, 1]):
        text = np.concatenate([prompts[row, :count], decoded.tokens[row]])
        log_p = ops.log_softmax(network.model(text[None, :-1]))[0, count - 1 :]
        expected = np.take_along_axis(np.array(log_p), text[count:, None], axis=1).sum()
        np.testing.assert_allclose(decoded.scores[row], expected, rtol=1e-5)


def test_temperature_zero_chooses_the_most_probable_character():
    network, ids = make_network(), make_ids(2, 1)
    decoded = network.sample(ids, [1, 1], 8, temperature=0.0)
    greedy = network.sample(ids, [1, 1], 8, top_k=1)
    np.testing.assert_array_equal(greedy.tokens, decoded.tokens)
    for position in range(8):
        choice = np.argmax(network.model(ids)[:, -1], axis=-1)
        np.testing.assert_array_equal(decoded.tokens[:, position], choice)
        ids = np.concatenate([ids, choice[:, None]], axis=1)


def test_a_text_depends_on_its_own_prompt_and_seed_only():
    network, prompts = make_network(), make_ids(4, 5)
    lengths, seeds = np.array([5, 2, 3, 1]), np.array([8, 9, 8, 9])
    tokens = network.sample(prompts, lengths, 10, seed=seeds).tokens.numpy()
    for order in ([3, 1], [2, 2, 0]):
        part = network.sample(prompts[order], lengths[order], 7, seed=seeds[order])
        np.testing.assert_array_equal(part.tokens, tokens[order][:, :7])
    padded = np.pad(prompts, [(0, 0), (0, 3)], constant_values=SIZE)
    other_seeds = np.array([8, 9, 1, 2])
    other = network.sample(padded, lengths, 10, seed=other_seeds).tokens.numpy()
    changed = (other != tokens).any(axis=1)
    np.testing.assert_array_equal(changed, [False, False, True, True])


def test_samples_without_a_cache_are_the_same():
    network, prompts = make_network(), make_ids(3, 2)
    expected = network.sample(prompts, [2] * 3, CONTEXT - 1, seed=1).tokens
    np.testing.assert_array_equal(network.sample_without_cache(prompts, seed=1).tokens, expected)


@pytest.mark.parametrize("causal", [True, False])
def test_a_position_attends_to_its_context_only(causal):
    network, ids = make_network(causal=causal), make_ids(1, 2 * CONTEXT)
    for weights in network.attention(ids):
        rows, columns = np.nonzero(weights.numpy()[0].max(axis=0))
        distances = rows - columns
        assert distances.max() == CONTEXT - 1
        assert distances.min() == (0 if causal else 1 - CONTEXT)


def test_windows_are_consecutive_and_predict_the_next_character():
    ids = np.arange(50, dtype="int32")
    batches = shakespeare.sample_windows(ids, 5, 2, np.random.default_rng(0))
    inputs, targets = (np.concatenate(x) for x in zip(*batches, strict=True))
    np.testing.assert_array_equal(targets, inputs + 1)
    assert all(x.shape == (2, 5) for x, _ in batches) and inputs.shape == (8, 5)
    assert len(set(inputs.ravel().tolist())) == inputs.size
    assert not (np.diff(inputs[:, 0]) == 5).all()


def test_fifteen_percent_of_the_characters_are_predicted():
    ids = make_ids(200, 500)
    inputs, targets = shakespeare.mask_characters(ids, SIZE, np.random.default_rng(0))
    is_predicted = targets != shakespeare.NO_TARGET
    assert is_predicted.mean() == pytest.approx(0.15, abs=0.01)
    np.testing.assert_array_equal(inputs[~is_predicted], ids[~is_predicted])
    np.testing.assert_array_equal(targets[is_predicted], ids[is_predicted])
    assert (inputs[is_predicted] == SIZE).mean() == pytest.approx(0.8, abs=0.02)
    # A random character is the right one with probability 1 / SIZE.
    is_same = (inputs == ids)[is_predicted].mean()
    assert is_same == pytest.approx(0.1 + 0.1 / SIZE, abs=0.02)


def test_the_loss_counts_predicted_characters_only():
    network, ids = make_network(causal=False), make_ids(2, 5)
    targets = np.where(np.arange(5) == 3, ids, shakespeare.NO_TARGET)
    log_p = np.array(ops.log_softmax(network.model(ids)))
    expected = -sum(log_p[row, 3, ids[row, 3]] for row in range(2))
    cost = language_model.sum_costs(network.model, ids, targets)
    np.testing.assert_allclose(cost, expected, rtol=1e-5)


def test_the_mean_loss_of_a_split_has_every_full_window():
    ids = {"test": make_ids(40 * CONTEXT)}
    costs = language_model.evaluate(
        "test", ids, lambda inputs, targets: (targets * (targets > 0)).sum(), CONTEXT, "next", None
    )
    targets = ids["test"][1 : 1 + 39 * CONTEXT]
    assert costs == {"test loss": pytest.approx(targets.mean(), abs=1e-4)}


def test_prompts_are_encoded_without_unknown_characters():
    characters = shakespeare.Characters("\n abc")
    ids, lengths = language_export.make_encoder(characters, 5)(
        tf.constant(["b§a", "", "abcabcabc", "Ωz"])
    )
    assert lengths.numpy().tolist() == [3, 1, 5, 1]
    texts = [characters.decode(row[:n]) for row, n in zip(ids.numpy(), lengths, strict=True)]
    assert texts == ["\nba", "\n", "bcabc", "\n"]
    assert characters.decode(characters.encode("a§b")) == "a\ufffdb"


def test_the_longest_text_fits_into_the_cache(monkeypatch):
    monkeypatch.setattr(language_export, "MAX_LENGTH", 9)
    network, characters = make_network(), shakespeare.Characters("\nabcdef")
    request = {"text": ["abcdef" * 9], "length": [9], "temperature": [1.0], "seed": [3]}
    outputs = language_export.make_complete(network, characters)(**request)
    ids = characters.encode("abcdef")[None]
    expected = network.sample(ids, [6], 9, slots=99, seed=np.array([3])).tokens
    assert outputs["text"].numpy()[0].decode() == characters.decode(expected.numpy()[0])
