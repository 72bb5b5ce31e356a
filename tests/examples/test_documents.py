"""Reviews are split into sentences, marked, held out and padded as their docstrings say."""

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


def of(*sentences):
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
    assert data.in_sentences(text) == [sentence.split() for sentence in sentences]


def test_what_is_too_long_goes_on_as_a_new_sentence():
    lengths = [len(sentence) for sentence in data.in_sentences("so " * (2 * data.LONGEST + 3))]
    assert lengths == [data.LONGEST, data.LONGEST, 3]


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.sampled_from("ab"), max_size=11),
    st.lists(st.sampled_from(["a", "ab", "bb", "aab", "c", ""]), max_size=6),
)
def test_of_each_phrase_the_first_places_are_marked(words, phrases):
    expected = set()
    for phrase in set(phrases) - {""}:
        places = [p for p in range(len(words)) if "".join(words[p : p + len(phrase)]) == phrase]
        for place in places[: phrases.count(phrase)]:
            expected |= set(range(place, place + len(phrase)))
    marked = data.mark(words, [list(phrase) for phrase in phrases])
    assert set(np.flatnonzero(marked)) == expected


def test_a_quarter_is_held_out_another_one_for_each_seed():
    found = list(range(103))
    training, validation = data.held_out(found, seed=0)
    assert sorted(training + validation) == found
    assert len(validation) == 25
    assert data.held_out(found, seed=0) == (training, validation)
    assert data.held_out(found, seed=1)[1] != validation


@pytest.mark.parametrize("name", data.TEXT)
def test_no_review_of_the_splits_is_in_two_of_them(name, monkeypatch):
    asked = []

    def documents(name, part):
        asked.append(part)
        twice = [of(part, str(n // 2)) for n in range(16)]
        return [*twice, *[of("in both")] * (not part.startswith("validation"))]

    monkeypatch.setattr(data, "documents", documents)
    found = data.splits(name, most=20)
    texts = {part: [str(one.sentences) for one in found[part]] for part in found}
    assert {*found} == {"train", "validation", "test"}
    assert all("test" in text for text in texts["test"][:-1])
    held_out = "validation" if name == "movie_rationales" else "train"
    assert all(held_out in text for text in texts["validation"])
    assert not set(texts["train"]) & set(texts["validation"])
    if name == "imdb_reviews":
        assert sorted(texts["train"] + texts["validation"]) == sorted(
            str([["train[:20]"], [str(n)]]) for n in range(8)
        )
    data.splits(name)
    assert "train" in asked


def test_the_vocabulary_has_the_most_frequent_words_and_no_more():
    found = [of("a a a a b b b", "c c c d d e"), of("b a c d")]
    assert data.vocabulary(found, 100).words[4:] == ["a", "b", "c", "d"]  # e was seen once
    assert data.vocabulary(found, 8).words[4:] == ["a", "b", "c", "d"]
    assert data.vocabulary(found, 7).words[4:] == ["a", "b", "c"]
    assert data.vocabulary(found, 6).words[4:] == ["a"]  # b and c, as frequent, are one too many
    assert len(data.vocabulary(found, 5)) == 5
    assert len(data.vocabulary(found, 3)) == 4  # the marks are always there


def test_documents_are_padded_and_cut_to_a_shape():
    found = [of("a b", "c a b b", "c"), of("b")]
    words = data.vocabulary([of("a b c", "a b c")], 100)
    a, b, c = (words.ids[letter] for letter in "abc")
    nested = data.encode(found, words, (2, 3))
    np.testing.assert_array_equal(nested, [[[a, b, 0], [c, a, b]], [[b, 0, 0], [0, 0, 0]]])
    assert nested.dtype == "int32"
    flat = data.encode(found, words, (5,))
    np.testing.assert_array_equal(flat, [[a, b, c, a, b], [b, 0, 0, 0, 0]])


def test_a_document_goes_to_the_first_shape_that_holds_it():
    found = [of(*["a a"] * count) for count in (1, 2, 3, 4, 9)]
    assert data.buckets(found, ((2, 7), (4, 7))) == {(2, 7): [0, 1], (4, 7): [2, 3, 4]}
    assert data.buckets(found, ((4,), (6,))) == {(4,): [0, 1], (6,): [2, 3, 4]}


def test_another_data_set_is_refused():
    with pytest.raises(ValueError, match="imdb_reviews.*Received: name='mnist'"):
        data.documents("mnist", "train")


@pytest.mark.skipif(not os.environ.get("TFDS_DATA_DIR"), reason="TFDS_DATA_DIR has the real data")
@pytest.mark.parametrize("name, share", [("imdb_reviews", 0), ("movie_rationales", 0.09)])
def test_real_reviews_have_labels_and_marked_words(name, share):
    found = data.documents(name, "train[:300]")
    assert len(found) == 300
    assert 100 < sum(document.label for document in found) < 200
    assert max(len(s) for document in found for s in document.sentences) == data.LONGEST
    marked = np.concatenate([document.marked for document in found])
    assert len(marked) == sum(len(s) for document in found for s in document.sentences)
    assert marked.mean() == pytest.approx(share, abs=0.02)
