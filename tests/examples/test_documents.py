"""Reviews: splitting into sentences, marked words, splits of the data set, and padding."""

import os

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

if keras.backend.backend() != "tensorflow":
    pytest.skip("the examples run on TensorFlow", allow_module_level=True)

from examples.datasets import documents as data
from examples.datasets.documents import Document


def make_document(*sentences):
    return Document([sentence.split() for sentence in sentences], 1, None)


@pytest.mark.parametrize(
    "text, sentences",
    [
        ("What a bore. Avoid!", ["what a bore .", "avoid !"]),
        ('He said "no!" And left...  Why?', ['he said " no ! "', "and left . . .", "why ?"]),
        ("Good.<br /><br />Bad<BR>so so", ["good .", "bad", "so so"]),
        ("in $3.50 or e.g.this", ["in $ 3 . 50 or e . g . this"]),
        ("lt .\ncol . x\n\n", ["lt .", "col . x"]),
        (" ", []),
        ("", []),
    ],
)
def test_a_sentence_ends_at_a_line_break_or_after_a_full_stop(text, sentences):
    assert data.split_sentences(text) == [sentence.split() for sentence in sentences]


def test_a_long_sentence_is_split():
    lengths = [len(sentence) for sentence in data.split_sentences("so " * (2 * data.MAX_WORDS + 3))]
    assert lengths == [data.MAX_WORDS, data.MAX_WORDS, 3]


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.sampled_from("ab"), max_size=11),
    st.lists(st.sampled_from(["a", "ab", "bb", "aab", "c", ""]), max_size=6),
)
def test_the_first_positions_of_each_phrase_are_marked(words, phrases):
    expected = set()
    for phrase in set(phrases) - {""}:
        positions = [p for p in range(len(words)) if "".join(words[p : p + len(phrase)]) == phrase]
        for position in positions[: phrases.count(phrase)]:
            expected |= set(range(position, position + len(phrase)))
    marked = data.mark(words, [list(phrase) for phrase in phrases])
    assert set(np.flatnonzero(marked)) == expected


def test_a_quarter_is_held_out_by_seed():
    documents = list(range(103))
    training, validation = data.hold_out(documents, seed=0)
    assert sorted(training + validation) == documents
    assert len(validation) == 25
    assert data.hold_out(documents, seed=0) == (training, validation)
    assert data.hold_out(documents, seed=1)[1] != validation


@pytest.mark.parametrize("name", data.TEXT)
def test_no_review_is_in_two_splits(name, monkeypatch):
    parts = []

    def documents(name, part):
        parts.append(part)
        twice = [make_document(part, str(n // 2)) for n in range(16)]
        return [*twice, *[make_document("in both")] * (not part.startswith("validation"))]

    monkeypatch.setattr(data, "load_documents", documents)
    splits = data.load_splits(name, max_reviews=20)
    texts = {part: [str(document.sentences) for document in splits[part]] for part in splits}
    assert {*splits} == {"train", "validation", "test"}
    assert all("test" in text for text in texts["test"][:-1])
    source = "validation" if name == "movie_rationales" else "train"
    assert all(source in text for text in texts["validation"])
    assert not set(texts["train"]) & set(texts["validation"])
    if name == "imdb_reviews":
        assert sorted(texts["train"] + texts["validation"]) == sorted(
            str([["train[:20]"], [str(n)]]) for n in range(8)
        )
    data.load_splits(name)
    assert "train" in parts


def test_the_vocabulary_has_the_most_frequent_words_and_no_more():
    documents = [make_document("a a a a b b b", "c c c d d e"), make_document("b a c d")]
    assert data.make_vocabulary(documents, 100).words[4:] == ["a", "b", "c", "d"]  # e occurs once
    assert data.make_vocabulary(documents, 8).words[4:] == ["a", "b", "c", "d"]
    assert data.make_vocabulary(documents, 7).words[4:] == ["a", "b", "c"]
    # b and c are equally frequent, and there is room for one of them only.
    assert data.make_vocabulary(documents, 6).words[4:] == ["a"]
    assert len(data.make_vocabulary(documents, 5)) == 5
    assert len(data.make_vocabulary(documents, 3)) == 4  # the marks are always included


def test_documents_are_padded_and_truncated_to_a_shape():
    documents = [make_document("a b", "c a b b", "c"), make_document("b")]
    words = data.make_vocabulary([make_document("a b c", "a b c")], 100)
    a, b, c = (words.ids[letter] for letter in "abc")
    nested = data.encode(documents, words, (2, 3))
    np.testing.assert_array_equal(nested, [[[a, b, 0], [c, a, b]], [[b, 0, 0], [0, 0, 0]]])
    assert nested.dtype == "int32"
    flat = data.encode(documents, words, (5,))
    np.testing.assert_array_equal(flat, [[a, b, c, a, b], [b, 0, 0, 0, 0]])


def test_a_document_goes_to_the_first_shape_that_holds_it():
    documents = [make_document(*["a a"] * count) for count in (1, 2, 3, 4, 9)]
    assert data.group_by_shape(documents, ((2, 7), (4, 7))) == {(2, 7): [0, 1], (4, 7): [2, 3, 4]}
    assert data.group_by_shape(documents, ((4,), (6,))) == {(4,): [0, 1], (6,): [2, 3, 4]}


def test_an_unknown_data_set_is_refused():
    with pytest.raises(ValueError, match="imdb_reviews.*Received: name='mnist'"):
        data.load_documents("mnist", "train")


@pytest.mark.skipif(not os.environ.get("TFDS_DATA_DIR"), reason="TFDS_DATA_DIR has the real data")
@pytest.mark.parametrize("name, share", [("imdb_reviews", 0), ("movie_rationales", 0.09)])
def test_downloaded_reviews_have_labels_and_marked_words(name, share):
    documents = data.load_documents(name, "train[:300]")
    assert len(documents) == 300
    assert 100 < sum(document.label for document in documents) < 200
    assert max(len(s) for document in documents for s in document.sentences) == data.MAX_WORDS
    marked = np.concatenate([document.marked for document in documents])
    assert len(marked) == sum(len(s) for document in documents for s in document.sentences)
    assert marked.mean() == pytest.approx(share, abs=0.02)
