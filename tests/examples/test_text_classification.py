"""Text classification: its quick run, export, masks, poolings and figures."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import example, given, settings
from hypothesis import strategies as st

if keras.backend.backend() != "tensorflow":
    pytest.skip("the examples run on TensorFlow", allow_module_level=True)

import keras_attention
from examples import hierarchical_attention, text_classification
from examples.datasets import documents as data
from examples.datasets.documents import Document, make_vocabulary, split_sentences
from examples.hierarchical_attention import call_with_weights, make_hierarchical, measure_agreement
from keras_attention.export.checks.fresh_process import run_calls

SIZE, SENTENCES, WORDS = 31, 5, 7


def reviews(name, part):
    """Return reviews in which one marked word determines the label, like `documents`."""
    rng = np.random.default_rng(len(part))
    documents = []
    for label in rng.integers(2, size=96):
        lengths = rng.integers(1, 12, size=rng.integers(4, 9))
        sentences = [[f"w{n}" for n in rng.integers(30, size=length)] for length in lengths]
        sentences[rng.integers(len(sentences))][0] = ("bad", "good")[label]
        marked = np.array([w in ("bad", "good") for sentence in sentences for w in sentence])
        documents.append(Document(sentences, int(label), marked))
    return documents


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    directory = tmp_path_factory.mktemp("text")
    folders = {name: str(directory / name) for name in ("runs", "pictures", "saved_models")}
    arguments = {"data": "movie_rationales", "quick": True, **folders}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data, "load_documents", reviews)
        yield directory, arguments, text_classification.main(**arguments)


def documents(seed=0):
    """Return ids (3, SENTENCES, WORDS) with padding; the last document is empty."""
    rng = np.random.default_rng(seed)
    ids = rng.integers(1, SIZE, size=(3, SENTENCES, WORDS)).astype("int32")
    for document, count in zip(ids, (SENTENCES, 3, 0), strict=True):
        document[count:] = 0
        for sentence in document:
            sentence[rng.integers(1, WORDS + 1) :] = 0
    return ids


def network(pooling, seed=0):
    """Return a network with random weights, biases included."""
    model = make_hierarchical(SIZE, pooling, width=11, units=3)
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        if "seed" not in weight.name:
            weight.assign(rng.normal(size=weight.shape))
    if pooling == "average":
        zero_context_vectors(model)
    return model


def zero_context_vectors(model):
    """Set the context vectors of the attention to zero."""
    for layer in model.layers:
        if isinstance(layer, keras_attention.AttentionPooling):
            layer.query.assign(np.zeros(layer.query.shape))


@pytest.mark.ci
def test_the_quick_run_writes_figures_pictures_and_a_model(quick):
    directory, _, figures = quick
    name = "text_classification_movie_rationales_quick"
    assert 0 <= figures["test accuracy"] <= 1
    assert figures["rationales"]["marked words among all (chance)"] == pytest.approx(1 / 6, abs=0.2)
    assert (directory / f"pictures/{name}.png").read_bytes()[:4] == b"\x89PNG"
    assert "<span" in (directory / f"pictures/{name}.html").read_text(encoding="utf-8")
    assert (directory / f"saved_models/{name}/1/saved_model.pb").exists()
    assert (directory / f"runs/{name}-seed0/figures.json").exists()


@pytest.mark.ci
def test_the_export_accepts_any_number_and_length_of_texts(quick):
    directory, *_ = quick
    path = directory / "saved_models/text_classification_movie_rationales_quick/1"
    texts = ["w1 good. W2 <br /> bad", "", "?! " * 900]
    batched = {"text": np.array([text.encode() for text in texts])}
    single_inputs = [{"text": np.array([text.encode()])} for text in texts]
    calls = [("attention", x) for x in (batched, *single_inputs)]
    calls += [("classify", x) for x in single_inputs]
    outputs, *answers = run_calls(path, calls)
    attentions, singles = answers[: len(texts)], answers[len(texts) :]
    assert [[w for w in row if w] for row in outputs["words"][0].tolist()] == [
        [b"w1", b"good", b"."],
        [b"w2"],
        [b"bad"],
        *[[]] * (outputs["words"].shape[1] - 3),
    ]
    assert not outputs["word_weights"][outputs["words"] == b""].any()
    np.testing.assert_allclose(outputs["word_weights"][0, :3].sum(axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(outputs["sentence_weights"].sum(axis=1), [1, 0, 1], atol=1e-5)
    for row, single in enumerate(singles):
        np.testing.assert_allclose(single["liked"], outputs["liked"][row : row + 1], atol=1e-5)
        # The sizes of a row do not depend on the other rows.
        for name, array in attentions[row].items():
            assert array.shape == (1, *outputs[name].shape[1:])


@pytest.mark.ci
def test_a_second_run_resumes_and_has_the_same_accuracy(quick, capsys, recorded_exports):
    directory, arguments, figures = quick
    assert text_classification.main(**arguments)["test accuracy"] == figures["test accuracy"]
    assert "Resuming after epoch 2" in capsys.readouterr().out
    name = "text_classification_movie_rationales_quick"
    assert recorded_exports == [directory / "saved_models" / name]


@settings(max_examples=150, deadline=None)
@given(st.text("aB.!?\"' \t\n-3é<br />\xa0"))
@example("so " * 77)
@example("x" + " so" * 50 + ".")
@example("a.\u2003b <br/><br />c..  ")
def test_texts_are_split_in_the_graph_as_in_training(text):
    words = make_vocabulary([], 10)
    sentences = split_sentences(text)
    for shape, expected in (((400, 25), sentences), ((400,), sum(sentences, []))):
        split, _ = text_classification.make_splitter(words, (shape,))
        rows, _ = split(tf.constant([text]))
        rows = rows.numpy()[0] if len(shape) == 2 else rows.numpy()
        rows = [[word.decode() for word in row if word] for row in rows]
        assert rows == (expected or [[]] if len(shape) == 2 else [expected])


@pytest.mark.parametrize("pooling", hierarchical_attention.POOLINGS)
def test_padding_words_and_sentences_change_nothing(pooling):
    model, ids = network(pooling), documents()
    padded = np.pad(ids, [(0, 0), (0, 4), (0, 6)])
    arrays = zip(call_with_weights(model, ids), call_with_weights(model, padded), strict=True)
    for single, with_padding in arrays:
        with_padding = with_padding[tuple(slice(size) for size in single.shape)]
        np.testing.assert_allclose(single, with_padding, atol=1e-6)
    for row in range(2):
        sentences = [s[s > 0] for s in ids[row] if s.any()]
        longest = max(map(len, sentences))
        unpadded = [np.pad(s, (0, longest - len(s))) for s in sentences]
        [single] = model(np.array([unpadded]))
        np.testing.assert_allclose(single, model(ids)[row], atol=1e-6)


def test_padding_has_no_weight_and_other_weights_sum_to_one():
    ids = documents()
    output, word_weights, sentence_weights = call_with_weights(network("attention"), ids)
    is_word = ids > 0
    assert not word_weights.numpy()[~is_word].any()
    np.testing.assert_allclose(word_weights.numpy().sum(-1), is_word.any(-1), atol=1e-6)
    np.testing.assert_allclose(sentence_weights.numpy().sum(-1), is_word.any((-1, -2)), atol=1e-6)
    np.testing.assert_allclose(output, network("attention")(ids), atol=1e-6)


def test_zero_context_vectors_are_the_average_of_the_paper():
    attention, average, ids = network("attention"), network("average"), documents()
    assert np.abs(attention(ids) - average(ids)).max() > 0.01
    zero_context_vectors(attention)
    np.testing.assert_array_equal(attention(ids), average(ids))

    embed, encode_words, encode_sentences, predict = (
        next(layer for layer in average.layers if isinstance(layer, kind))
        for kind in (
            keras.layers.Embedding,
            keras_attention.EachStep,
            keras.layers.Bidirectional,
            keras.layers.Dense,
        )
    )
    for document, expected in zip(ids[:2], average(ids), strict=False):
        sentences = [s[None, s > 0] for s in document if s.any()]
        means = [np.mean(encode_words.layer(embed(s)), axis=1) for s in sentences]
        mean = np.mean(encode_sentences(np.stack(means, axis=1)), axis=1)
        np.testing.assert_allclose(predict(mean)[0], expected, atol=1e-6)


def test_the_baseline_remains_an_average_in_training():
    model, ids = network("average"), documents()
    model.compile(keras.optimizers.SGD(1.0), "binary_crossentropy")
    model.train_on_batch(ids, np.array([[0.0], [1.0], [1.0]]))
    even_weights = (ids > 0) / np.maximum((ids > 0).sum(-1, keepdims=True), 1)
    np.testing.assert_allclose(call_with_weights(model, ids)[1], even_weights, atol=1e-6)


def test_max_pooling_leaves_out_padding():
    inputs = np.random.default_rng(0).normal(size=(2, 3, 5, 2)) - 9
    mask = np.arange(5) < np.array([[5, 1, 0], [3, 2, 4]])[..., None]
    pooled = hierarchical_attention.MaxPooling()(inputs, mask=mask)
    for place in np.ndindex(2, 3):
        unmasked = inputs[place][mask[place]]
        expected = unmasked.max(axis=0) if len(unmasked) else np.zeros(2)
        np.testing.assert_allclose(pooled[place], expected, rtol=1e-6)


def test_agreement_is_the_share_of_marked_words_among_the_largest_weights():
    reviewed = [
        Document([list("abcd"), list("ef")], 1, np.array([1, 0, 0, 0, 1, 0], bool)),
        Document([list("ab"), list("cdefghijkl")], 0, np.arange(12) < 3),
    ]
    word_weights = [
        np.array([[0.1, 0.4, 0.4, 0.1], [0.9, 0.1, 0, 0]]),
        # Truncated to two sentences of four words.
        np.array([[0.4, 0.6, 0, 0], [0.7, 0.1, 0.1, 0.1]]),
    ]
    reviewed[1] = reviewed[1]._replace(
        sentences=[list("ab"), list("cdef")], marked=np.arange(6) < 3
    )
    sentence_weights = [np.array([0.4, 0.6]), np.array([0.9, 0.1])]
    figures = measure_agreement(reviewed, word_weights, sentence_weights, share=0.5)
    # The top words are e, b, c, of which e is marked; and b, a, c, which are all marked.
    assert figures["marked words in the top 50%"] == pytest.approx((1 / 3 + 1) / 2, abs=1e-4)
    assert figures["marked words among all (chance)"] == pytest.approx(
        (2 / 6 + 3 / 6) / 2, abs=1e-4
    )
    # With uniform attention: e, f and one of a to d; and a, b and one of c to f.
    uniform = figures["marked words in the top with uniform attention"]
    assert any(uniform == pytest.approx(x / 6, abs=1e-4) for x in (1 + 2, 1 + 3, 2 + 2, 2 + 3))
    low, high = figures["difference from uniform attention, 95 % interval"]
    assert (
        -0.34 <= low <= (1 / 3 + 1) / 2 - uniform + 1e-3 and 2 / 3 - uniform - 1e-3 <= high <= 0.34
    )


def test_equal_weights_agree_with_marked_words_at_chance_level():
    marked = np.arange(50) < 10  # at the start, which a stable sort would favor
    reviewed = [Document([["so"] * 25] * 2, 1, marked)] * 400 + [Document([[]], 0, marked[:0])]
    equal = [np.full((2, 25), 1 / 25)] * 401, [np.array([0.5, 0.5])] * 401
    figures = measure_agreement(reviewed, *equal)
    for name in ("marked words in the top 10%", "marked words in the top with uniform attention"):
        assert figures[name] == pytest.approx(0.2, abs=0.03)
    low, high = figures["difference from uniform attention, 95 % interval"]
    assert low < 0 < high


def test_average_precision_is_the_mean_precision_at_the_marked_words():
    order = hierarchical_attention.sort_by_weight(
        np.array([0.1, 0.5, 0.2, 0.15]), np.random.default_rng(0)
    )
    assert order.tolist() == [1, 2, 3, 0]
    marked = np.array([True, True, False, False])
    assert hierarchical_attention.average_precision(marked[order]) == (1 + 2 / 4) / 2
    assert hierarchical_attention.average_precision(marked & False) == 0


def test_the_sequential_model_learns_which_word_decides():
    training = reviews("", "x") + reviews("", "xx")
    words = make_vocabulary(training, 100)
    ids = text_classification.encode(training, words, (60,))
    labels = np.array([[document.label] for document in training], "float32")
    keras.utils.set_random_seed(0)
    model = text_classification.make_sequential(len(words), 32)
    model.compile(keras.optimizers.Adam(1e-2), "binary_crossentropy", metrics=["accuracy"])
    model.fit(ids, labels, epochs=6, verbose=0)
    assert model.evaluate(ids, labels, verbose=0)[1] > 0.95


def test_the_hierarchical_model_attends_to_the_word_that_decides():
    training = reviews("", "x") + reviews("", "xx") + reviews("", "xxx")
    words = make_vocabulary(training, 100)
    ids = text_classification.encode(training, words, (9, 12))
    labels = np.array([[document.label] for document in training], "float32")
    keras.utils.set_random_seed(0)
    model = make_hierarchical(len(words), units=8, dropout=0.2, forget=0.0)
    model.compile(keras.optimizers.Adam(1e-2), "binary_crossentropy")
    model.fit(ids, labels, epochs=12, verbose=0)
    liked, word_weights, sentence_weights = call_with_weights(model, ids)
    assert np.mean((liked > 0.5) == labels) > 0.95
    # Attention to one of the two words is enough: documents without it have the other label.
    shares, uniform_shares = [], []
    for label in (0, 1):
        chosen = np.flatnonzero(labels[:, 0] == label)
        weights = (x.numpy()[chosen] for x in (word_weights, sentence_weights))
        figures = measure_agreement([training[i] for i in chosen], *weights, share=0.01)
        shares.append(figures["marked words in the top 1%"])
        uniform_shares.append(figures["marked words in the top with uniform attention"])
    assert max(shares) > 0.8 > 0.2 > max(uniform_shares), shares


def test_equal_epochs_give_equal_batches():
    training = reviews("", "train")
    words = make_vocabulary(training, 100)
    first, second, other = (
        list(
            text_classification.make_batches(
                training, words, ((9, 12),), 32, np.random.default_rng(seed)
            )
        )
        for seed in ([0, 1], [0, 1], [0, 2])
    )
    assert len(first) == 3
    keras.tree.map_structure(np.testing.assert_array_equal, first, second)
    assert (first[0][0].numpy() != other[0][0].numpy()).any()


def test_the_sequential_model_refuses_other_poolings():
    with pytest.raises(ValueError, match="sequential model. Received: pooling='max'"):
        text_classification.main(model="sequential", pooling="max")
