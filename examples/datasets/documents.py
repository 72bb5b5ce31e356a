"""Movie reviews as lists of sentences of words: `imdb_reviews` and `movie_rationales` of TFDS.

    review = load_splits("movie_rationales")["train"][0]
    review.sentences, review.label, review.marked

The validation set of `imdb_reviews` is a quarter of its training reviews, selected by the seed.
`movie_rationales` (Zaidan et al. 2007, in the form of ERASER, DeYoung et al. 2020) has its own
validation set, and marks: the words that people marked as the reason for the label.

A sentence ends at a line break or `<br />`, and at `.`, `!` or `?` if a space follows and no space
precedes. ("Mr. X" becomes two sentences. `movie_rationales` has spaces before full stops, so that
there each line is a sentence.) A sentence of more than `MAX_WORDS` words is split.
"""

import collections
import re
from typing import NamedTuple

import numpy as np
import tensorflow_datasets as tfds

from examples.datasets.words import Words, split

TEXT = {"imdb_reviews": "text", "movie_rationales": "review"}
MAX_WORDS = 25  # per sentence
# Pairs (pattern, replacement) that put each sentence on its own line. Their syntax is valid in both
# Python's and TensorFlow's regular expressions.
SENTENCE_ENDS = ((r"<[bB][rR] ?/?>", "\n"), (r"""([^\s.!?][.!?]+["')]*) """, r"\1" "\n"))


class Document(NamedTuple):
    """A review.

    Attributes:
        sentences: List of sentences, which are lists of words.
        label: 1 for a positive review, 0 for a negative one.
        marked: Bool array over all words of the review: True for marked words.
    """

    sentences: list
    label: int
    marked: np.ndarray


def load_splits(name, seed=0, max_reviews=None):
    """Return the reviews {"train": [...], "validation": [...], "test": [...]}.

    At most `max_reviews` of each TFDS split are loaded; None for all.
    """
    subset = "" if max_reviews is None else f"[:{max_reviews}]"
    reviews = {part: load_documents(name, part + subset) for part in ("train", "test")}
    if name == "movie_rationales":
        return {**reviews, "validation": load_documents(name, "validation" + subset)}
    training, validation = hold_out(deduplicate(reviews["train"], reviews["test"]), seed)
    return {"train": training, "validation": validation, "test": reviews["test"]}


def deduplicate(documents, excluded):
    """Return each document once, without the excluded ones, because some reviews are repeated."""
    texts, unique = {str(document.sentences) for document in excluded}, []
    for document in documents:
        text = str(document.sentences)
        if text not in texts:
            texts.add(text)
            unique.append(document)
    return unique


def load_documents(name, part):
    """Load all reviews of a TFDS split, or of a slice such as `"train[:100]"`, in TFDS's order."""
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
    """Return a bool array (N,), True for the words that are part of a marked phrase.

    TFDS has the marked phrases, but not their positions. A phrase that was marked n times is
    assumed to be at the first n positions where it occurs.
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
    """Return (training, validation): a random `share` of the documents is held out."""
    order = np.random.default_rng([seed, 2016]).permutation(len(documents))
    cut = int(share * len(documents))
    parts = order[cut:], order[:cut]
    return tuple([documents[index] for index in sorted(part)] for part in parts)


def make_vocabulary(documents, max_words):
    """Return the `max_words` most frequent words that occur at least twice, as `Words`.

    If the maximum cuts a group of equally frequent words, the whole group is left out.
    """
    sentences = [sentence for document in documents for sentence in document.sentences]
    counts = collections.Counter(word for sentence in sentences for word in sentence)
    size = max(max_words - 4, 0)  # 4 ids are not words: padding, unknown, start, end
    # The count of the first word that is left out, or nothing if there is no such word.
    excluded_counts = sorted(counts.values(), reverse=True)[size : size + 1]
    return Words(sentences, min_count=max(2, 1 + max(excluded_counts, default=1)))


def encode(documents, words, shape):
    """Return the ids of documents, int32, padded and truncated to a shape.

    They are (N, sentences, words) for a shape (sentences, words), and (N, words) for (words,).
    """
    if len(shape) == 1:
        word_lists = [
            [word for sentence in document.sentences for word in sentence] for document in documents
        ]
        return words.encode(word_lists, shape[0])
    padded = []
    for document in documents:
        sentences = document.sentences[: shape[0]]
        padded += sentences + [[]] * (shape[0] - len(sentences))
    return words.encode(padded, shape[1]).reshape(-1, *shape)


def group_by_shape(documents, shapes):
    """Group documents by the first shape that is large enough, or else the last shape.

    Args:
        documents: List of `Document`.
        shapes: Shapes (sentences, words), or (words,), in increasing order.

    Returns:
        Dict of shape to the indices of its documents.
    """
    members = {shape: [] for shape in shapes}
    for index, document in enumerate(documents):
        is_nested = len(shapes[0]) == 2
        size = len(document.sentences) if is_nested else sum(map(len, document.sentences))
        members[next((s for s in shapes if size <= s[0]), shapes[-1])].append(index)
    return members
