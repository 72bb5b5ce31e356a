"""Splitting sentences into words, and the vocabulary."""

from examples.datasets.words import Words, split


def test_words_and_punctuation_are_split_and_lower_case():
    assert split("A man's Ball-spiel, grün!") == ["a", "man's", "ball-spiel", ",", "grün", "!"]


def test_rare_words_are_unknown_and_frequent_words_come_first():
    words = Words([["a", "b", "b"], ["b", "a", "rare"]])
    assert words.words == ["", "<unk>", "<s>", "</s>", "b", "a"]
    assert words.encode([["a", "rare", "b"], ["b"]], 4).tolist() == [[5, 1, 4, 0], [4, 0, 0, 0]]


def test_decoding_stops_at_the_end_mark():
    words = Words([["a", "a"]])
    assert words.decode([4, 4, 3, 4, 0]) == ["a", "a"]
    assert words.decode([4, 1, 0]) == ["a", "<unk>"]
