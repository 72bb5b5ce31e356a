"""Sentences as words, words as ids."""

import collections
import re

import numpy as np

WORD = re.compile(r"\w+(?:['’-]\w+)*|[^\w\s]")
# As tf.strings writes them: a word, and what Python calls a space.
WORD_RE2 = r"([\pL\pN_]+(?:['’-][\pL\pN_]+)*|[^\pL\pN_\s])"
SPACES_RE2 = r"[\t\n\v\f\r\x{1c}-\x{20}\x{85}\pZ]+"


def split(sentence):
    """Lower-case words and punctuation marks: "A man's hat." -> ["a", "man's", "hat", "."]."""
    return WORD.findall(sentence.lower())


class Words:
    """The words seen at least `least` times in a list of split sentences, as ids.

    0 is padding, 1 an unknown word, 2 the start and 3 the end of a sentence.
    """

    padding, unknown, start, end = 0, 1, 2, 3

    def __init__(self, sentences, least=2):
        counts = collections.Counter(word for sentence in sentences for word in sentence)
        kept = sorted((word for word, n in counts.items() if n >= least), key=lambda w: -counts[w])
        self.words = ["", "<unk>", "<s>", "</s>", *kept]
        self.ids = {word: id for id, word in enumerate(self.words)}

    def __len__(self):
        return len(self.words)

    def encode(self, sentences, length):
        """Ids (N, length) int32 of split sentences, padded on the right and cut at `length`."""
        ids = np.full((len(sentences), length), self.padding, "int32")
        for row, words in zip(ids, sentences, strict=True):
            found = [self.ids.get(word, self.unknown) for word in words[:length]]
            row[: len(found)] = found
        return ids

    def decode(self, ids):
        """The words of one sentence of ids, up to its end."""
        ids = [int(id) for id in ids]
        ids = ids[: ids.index(self.end)] if self.end in ids else ids
        return [self.words[id] for id in ids if id != self.padding]
