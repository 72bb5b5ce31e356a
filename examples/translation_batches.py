"""Sentence pairs of Multi30k, in batches of similar length."""

from examples.datasets.multi30k import load_sentence_pairs
from examples.datasets.words import split
from examples.training import as_dataset

# Lengths, including the end mark, to which source and target are padded. XLA compiles one program
# for each.
LENGTHS = (12, 16, 22, 40)
BATCH = 128


def load_pairs(part, quick=False):
    """Load the (German, English) sentences of a split; only a few short ones if `quick`."""
    pairs = load_sentence_pairs(part, "de", "en")
    if not quick:
        return pairs
    return [(de, en) for de, en in pairs[:500] if choose_length(split(de), split(en)) == LENGTHS[0]]


def choose_length(source, target):
    """Return the one of `LENGTHS` to which a pair is padded or truncated."""
    size = max(len(source), len(target) + 1)
    return next((length for length in LENGTHS if size <= length), LENGTHS[-1])


def make_arrays(pairs, length, german, english):
    """Encode pairs as padded ids ((source, target shifted right), target)."""
    source = german.encode([s for s, _ in pairs], length)
    target = english.encode([["<s>", *t[: length - 1], "</s>"] for _, t in pairs], length + 1)
    return (source, target[:, :-1]), target[:, 1:]


def make_batches(pairs, german, english, rng):
    """Return a shuffled data set of full batches of sentences of similar length."""
    batches = []
    for length in LENGTHS:
        members = [pair for pair in pairs if choose_length(*pair) == length]
        order = rng.permutation(len(members))
        for first in range(0, len(order) - BATCH + 1, BATCH):
            chosen = [members[i] for i in order[first : first + BATCH]]
            batches.append(make_arrays(chosen, length, german, english))
    rng.shuffle(batches)
    return as_dataset(batches)
