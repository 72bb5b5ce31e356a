"""Film reviews as documents of sentences of words: `imdb_reviews` and `movie_rationales` by TFDS.

    review = splits("movie_rationales")["train"][0]
    review.sentences, review.label, review.marked

Of `imdb_reviews` a quarter of the training reviews, another one for each seed, is the validation
set. `movie_rationales` (Zaidan et al. 2007, in the form of ERASER, DeYoung et al. 2020) has one,
and the words that people marked as the reason for the label.

A sentence ends at a line break, `<br />` included, and at `.`, `!` or `?` with a space after but
not before them ("Mr. X" makes two; in `movie_rationales`, where full stops stand alone, a line is
a sentence). What is longer than `LONGEST` words goes on as a new sentence.
"""

import collections
import re
from typing import NamedTuple

import numpy as np
import tensorflow_datasets as tfds

from examples.datasets.words import Words, split

TEXT = {"imdb_reviews": "text", "movie_rationales": "review"}
LONGEST = 25  # words of a sentence
# (pattern, replacement) that put each sentence on a line; the same for Python's and TensorFlow's
# regular expressions.
SENTENCE_ENDS = ((r"<[bB][rR] ?/?>", "\n"), (r"""([^\s.!?][.!?]+["')]*) """, r"\1" "\n"))


class Document(NamedTuple):
    """A review: lists of words, 0 or 1, and which of its words, in a row, people marked."""

    sentences: list
    label: int
    marked: np.ndarray


def splits(name, seed=0, most=None):
    """{"train", "validation" and "test": at most `most` reviews of each TFDS split}."""
    within = "" if most is None else f"[:{most}]"
    reviews = {part: documents(name, part + within) for part in ("train", "test")}
    if name == "movie_rationales":
        return {**reviews, "validation": documents(name, "validation" + within)}
    training, validation = held_out(distinct(reviews["train"], reviews["test"]), seed)
    return {"train": training, "validation": validation, "test": reviews["test"]}


def distinct(found, others):
    """Each document once, and none of the others: some reviews were published repeatedly."""
    known, kept = {str(document.sentences) for document in others}, []
    for document in found:
        text = str(document.sentences)
        if text not in known:
            known.add(text)
            kept.append(document)
    return kept


def documents(name, part):
    """All reviews of a TFDS split, or a slice of one such as `"train[:100]"`, in its order."""
    if name not in TEXT:
        raise ValueError(f"Expected one of {list(TEXT)}. Received: name={name!r}")
    found = []
    for row in tfds.as_numpy(tfds.load(name, split=part, try_gcs=False)):
        sentences = in_sentences(row[TEXT[name]].decode())
        words = [word for sentence in sentences for word in sentence]
        marked = mark(words, [split(text.decode()) for text in row.get("evidences", ())])
        found.append(Document(sentences, int(row["label"]), marked))
    return found


def in_sentences(text):
    """The sentences of a text as lists of lower-case words, at most `LONGEST` each."""
    text = re.sub(r"[^\S\n]+", " ", text)
    for pattern, replacement in SENTENCE_ENDS:
        text = re.sub(pattern, replacement, text)
    lines = [split(line) for line in text.split("\n")]
    return [w[first : first + LONGEST] for w in lines for first in range(0, len(w), LONGEST)]


def mark(words, phrases):
    """Which of the words, (N,) bool, belong to the first place where any of the phrases stands.

    TFDS has the marked phrases and not their places: of several the first is taken, and for a
    phrase that was marked repeatedly the next one.
    """
    marked = np.zeros(len(words), bool)
    begins = collections.defaultdict(list)
    for place, word in enumerate(words):
        begins[word].append(place)
    for phrase, times in collections.Counter(tuple(p) for p in phrases if p).items():
        places = (p for p in begins[phrase[0]] if tuple(words[p : p + len(phrase)]) == phrase)
        for place, _ in zip(places, range(times), strict=False):
            marked[place : place + len(phrase)] = True
    return marked


def held_out(found, seed, share=0.25):
    """(training, validation): `share` of the documents, chosen by the seed, is held out."""
    order = np.random.default_rng([seed, 2016]).permutation(len(found))
    cut = int(share * len(found))
    return [found[i] for i in sorted(order[cut:])], [found[i] for i in sorted(order[:cut])]


def vocabulary(found, most):
    """The at most `most` most frequent words, each seen twice or more, as `Words`."""
    sentences = [sentence for document in found for sentence in document.sentences]
    counts = collections.Counter(word for sentence in sentences for word in sentence)
    words = max(most - 4, 0)  # besides 4 marks
    one_too_many = sorted(counts.values(), reverse=True)[words : words + 1]
    return Words(sentences, least=max(2, 1 + max(one_too_many, default=1)))


def encode(found, words, shape):
    """Ids (N, sentences, words) int32 for a shape (sentences, words), or (N, words) for (words,).

    What goes beyond the shape is cut off.
    """
    if len(shape) == 1:
        flat = [
            [word for sentence in document.sentences for word in sentence] for document in found
        ]
        return words.encode(flat, shape[0])
    cut = [document.sentences[: shape[0]] for document in found]
    padded = [sentence for one in cut for sentence in one + [[]] * (shape[0] - len(one))]
    return words.encode(padded, shape[1]).reshape(-1, *shape)


def buckets(found, shapes):
    """{shape: the places of the documents that fit it and no earlier one}; the last takes any."""
    members = {shape: [] for shape in shapes}
    for place, document in enumerate(found):
        nested = len(shapes[0]) == 2
        size = len(document.sentences) if nested else sum(map(len, document.sentences))
        members[next((s for s in shapes if size <= s[0]), shapes[-1])].append(place)
    return members
