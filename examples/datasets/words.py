"""Splitting sentences into words, and the vocabulary that maps words to ids."""

import collections
import re

import numpy as np

WORD = re.compile(r"\w+(?:['’-]\w+)*|[^\w\s]")
# The same in the syntax of tf.strings: a word, and the characters that are spaces in Python.
WORD_RE2 = r"([\pL\pN_]+(?:['’-][\pL\pN_]+)*|[^\pL\pN_\s])"
SPACES_RE2 = r"[\t\n\v\f\r\x{1c}-\x{20}\x{85}\pZ]+"


def split(sentence):
    """Return lower-case words and punctuation: "A man's hat." -> ["a", "man's", "hat", "."]."""
    return WORD.findall(sentence.lower())


class Words:
    """The vocabulary of the words that occur at least `min_count` times in split sentences.

    Id 0 is padding, 1 is an unknown word, 2 the start and 3 the end of a sentence.
    """

    padding, unknown, start, end = 0, 1, 2, 3

    def __init__(self, sentences, min_count=2):
        counts = collections.Counter(word for sentence in sentences for word in sentence)
        frequent = (word for word, count in counts.items() if count >= min_count)
        self.words = ["", "<unk>", "<s>", "</s>", *sorted(frequent, key=lambda w: -counts[w])]
        self.ids = {word: id for id, word in enumerate(self.words)}

    def __len__(self):
        return len(self.words)

    def encode(self, sentences, length):
        """Return ids (N, length) int32 of split sentences, padded on the right and truncated."""
        ids = np.full((len(sentences), length), self.padding, "int32")
        for row, words in zip(ids, sentences, strict=True):
            word_ids = [self.ids.get(word, self.unknown) for word in words[:length]]
            row[: len(word_ids)] = word_ids
        return ids

    def decode(self, ids):
        """Return the words of one sentence from its ids, up to the end mark."""
        ids = [int(id) for id in ids]
        ids = ids[: ids.index(self.end)] if self.end in ids else ids
        return [self.words[id] for id in ids if id != self.padding]
