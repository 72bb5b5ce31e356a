"""Sentences of two treebanks from TensorFlow Datasets, and batches of similar length.

`load_penn` returns the sentences of the Penn Treebank, as preprocessed by Mikolov: 10,000 different
words, lower case, "N" for numbers, "<unk>" for rare words. `load_sentiment` returns the sentences
of the Stanford Sentiment Treebank (Socher et al. 2013). TFDS has neither set under these names, and
does not download them: the TFDS data directory must have the sets `penn_treebank`, with one example
per split, a `text` with a sentence on each line, and `sst_sentences`, with a `sentence` and a
`label` from 0 to 4 in each example. Both have the splits train, validation and test.
"""

import numpy as np
import tensorflow_datasets as tfds

PARTS = ("train", "validation", "test")
MAX_STEPS = 83  # of a sentence of the Penn Treebank, in all parts, with one mark
# The lengths to which sentences are padded in training. XLA compiles one program for each.
LENGTHS = (8, 12, 16, 20, 24, 28, 32, 40)


def load_penn(data_dir=None):
    """Return {part: list of sentences}, each a list of words.

    Args:
        data_dir: The TFDS data directory; None for the default.
    """
    splits = tfds.load("penn_treebank", split=list(PARTS), data_dir=data_dir)
    texts = [next(iter(tfds.as_numpy(split)))["text"].decode() for split in splits]
    return {
        part: [line.split() for line in text.splitlines()]
        for part, text in zip(PARTS, texts, strict=True)
    }


def load_sentiment(data_dir=None):
    """Return {part: (list of sentences, labels)}; words are in lower case.

    The labels are int32 arrays of 0, very negative, to 4, very positive.

    Args:
        data_dir: The TFDS data directory; None for the default.
    """
    splits = tfds.load("sst_sentences", split=list(PARTS), data_dir=data_dir)
    parts = {}
    for part, split in zip(PARTS, splits, strict=True):
        examples = list(tfds.as_numpy(split))
        sentences = [example["sentence"].decode().lower().split() for example in examples]
        parts[part] = sentences, np.array([example["label"] for example in examples], "int32")
    return parts


def divide_sequence(sequence, length):
    """Divide a pair of arrays (n,), ids and next ids, into pairs of at most `length` steps."""
    ids, next_ids = sequence
    return [
        (ids[first : first + length], next_ids[first : first + length])
        for first in range(0, len(ids), length)
    ]


def make_batches(samples, lengths, steps, rng=None):
    """Return batches of sequences of similar length, padded with 0.

    Args:
        samples: List of pairs (ids (n,), target): the target is an array (n,) or a number.
        lengths: Lengths to which sequences are padded, in increasing order.
        steps: Number of steps of a batch, padding included: longer sequences, smaller batches.
        rng: A `numpy.random.Generator` for shuffled batches, all of `steps // length` sequences;
            sequences that do not fill a batch are left out. None for all sequences in order.

    Returns:
        List of pairs of int32 arrays: ids (batch, length), and targets (batch, length) or (batch,).
    """
    groups = np.searchsorted(lengths, [len(ids) for ids, _ in samples])
    batches = []
    for group, length in enumerate(lengths):
        order = np.flatnonzero(groups == group)
        size = max(steps // length, 1)
        end = len(order)
        if rng is not None:
            order = rng.permutation(order)
            end -= end % size
        for first in range(0, end, size):
            chosen = [samples[index] for index in order[first : first + size]]
            batches.append(tuple(_stack(column, length) for column in zip(*chosen, strict=True)))
    if rng is not None:
        rng.shuffle(batches)
    return batches


def _stack(rows, length):
    """Return rows of numbers (batch,), or of arrays, padded to (batch, length)."""
    if not np.ndim(rows[0]):
        return np.array(rows, "int32")
    stacked = np.zeros((len(rows), length), "int32")
    for target, row in zip(stacked, rows, strict=True):
        target[: len(row)] = row
    return stacked
