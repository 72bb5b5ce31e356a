"""Film reviews as lists of sentences of words: `imdb_reviews` and `movie_rationales` of TFDS.

    review = splits("movie_rationales")["train"][0]
    review.sentences, review.label, review.marked

The validation set of `imdb_reviews` is a quarter of its training reviews, chosen by the seed.
`movie_rationales` (Zaidan et al. 2007, in the form of ERASER, DeYoung et al. 2020) has a validation
set of its own, and the words that people marked as the reason for the label.

A sentence ends at a line break, `<br />` included, and at `.`, `!` or `?` followed by a space but
not preceded by one ("Mr. X" becomes two sentences; in `movie_rationales`, which has spaces before
full stops, a line is a sentence). A sentence of more than `MAX_WORDS` words is split.
"""

import collections
import re
from typing import NamedTuple

import numpy as np
import tensorflow_datasets as tfds

from examples.datasets.words import Words, split

TEXT = {"imdb_reviews": "text", "movie_rationales": "review"}
MAX_WORDS = 25  # of a sentence
# (pattern, replacement) that put each sentence on a line of its own, in a syntax that Python's and
# TensorFlow's regular expressions share.
SENTENCE_ENDS = ((r"<[bB][rR] ?/?>", "\n"), (r"""([^\s.!?][.!?]+["')]*) """, r"\1" "\n"))


class Document(NamedTuple):
    """A review: its sentences as lists of words, its label, and which of all words are marked."""

    sentences: list
    label: int
    marked: np.ndarray


def load_splits(name, seed=0, max_reviews=None):
    """Return {"train", "validation" and "test": `max_reviews` at most of each TFDS split}."""
    subset = "" if max_reviews is None else f"[:{max_reviews}]"
    reviews = {part: load_documents(name, part + subset) for part in ("train", "test")}
    if name == "movie_rationales":
        return {**reviews, "validation": load_documents(name, "validation" + subset)}
    training, validation = hold_out(deduplicate(reviews["train"], reviews["test"]), seed)
    return {"train": training, "validation": validation, "test": reviews["test"]}


def deduplicate(documents, excluded):
    """Return each document once and without the excluded ones: some reviews occur repeatedly."""
    texts, unique = {str(document.sentences) for document in excluded}, []
    for document in documents:
        text = str(document.sentences)
        if text not in texts:
            texts.add(text)
            unique.append(document)
    return unique


def load_documents(name, part):
    """Return all reviews of a TFDS split, or of a slice such as `"train[:100]"`, in its order."""
    if name not in TEXT:
        raise ValueError(f"Expected one of {list(TEXT)}. Received: name={name!r}")
    reviews = []
    for row in tfds.as_numpy(tfds.load(name, split=part, try_gcs=False)):
        sentences = split_sentences(row[TEXT[name]].decode())
        words = [word for sentence in sentences for word in sentence]
        marked = mark(words, [split(text.decode()) for text in row.get("evidences", ())])
        reviews.append(Document(sentences, int(row["label"]), marked))
    return reviews


def split_sentences(text):
    """Return the sentences of a text as lists of lower-case words, at most `MAX_WORDS` each."""
    text = re.sub(r"[^\S\n]+", " ", text)
    for pattern, replacement in SENTENCE_ENDS:
        text = re.sub(pattern, replacement, text)
    lines = [split(line) for line in text.split("\n")]
    return [w[first : first + MAX_WORDS] for w in lines for first in range(0, len(w), MAX_WORDS)]


def mark(words, phrases):
    """Return which of the words, (N,) bool, are part of a marked phrase.

    TFDS has the marked phrases, but not their positions. A phrase that was marked n times is taken
    to be at its first n positions.
    """
    marked = np.zeros(len(words), bool)
    positions = collections.defaultdict(list)
    for position, word in enumerate(words):
        positions[word].append(position)
    for phrase, times in collections.Counter(tuple(p) for p in phrases if p).items():
        starts = (p for p in positions[phrase[0]] if tuple(words[p : p + len(phrase)]) == phrase)
        for start, _ in zip(starts, range(times), strict=False):
            marked[start : start + len(phrase)] = True
    return marked


def hold_out(documents, seed, share=0.25):
    """Return (training, validation): a `share` of the documents, by the seed, is held out."""
    order = np.random.default_rng([seed, 2016]).permutation(len(documents))
    cut = int(share * len(documents))
    parts = order[cut:], order[:cut]
    return tuple([documents[index] for index in sorted(part)] for part in parts)


def make_vocabulary(documents, max_words):
    """Return the `max_words` most frequent words that occur at least twice, as `Words`.

    Words that are as frequent as the first one beyond the maximum are left out, too.
    """
    sentences = [sentence for document in documents for sentence in document.sentences]
    counts = collections.Counter(word for sentence in sentences for word in sentence)
    words = max(max_words - 4, 0)  # 4 ids are marks
    excluded_count = sorted(counts.values(), reverse=True)[words : words + 1]
    return Words(sentences, min_count=max(2, 1 + max(excluded_count, default=1)))


def encode(documents, words, shape):
    """Return ids (N, sentences, words) int32 for a shape (sentences, words), or (N, words).

    Documents are padded and truncated to the shape.
    """
    if len(shape) == 1:
        flat = [
            [word for sentence in document.sentences for word in sentence] for document in documents
        ]
        return words.encode(flat, shape[0])
    padded = []
    for document in documents:
        sentences = document.sentences[: shape[0]]
        padded += sentences + [[]] * (shape[0] - len(sentences))
    return words.encode(padded, shape[1]).reshape(-1, *shape)


def group_by_shape(documents, shapes):
    """Return {shape: indices of the documents that it is the first to hold}; the last holds all."""
    members = {shape: [] for shape in shapes}
    for index, document in enumerate(documents):
        is_nested = len(shapes[0]) == 2
        size = len(document.sentences) if is_nested else sum(map(len, document.sentences))
        members[next((s for s in shapes if size <= s[0]), shapes[-1])].append(index)
    return members
