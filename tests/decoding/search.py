"""Reference searches in a toy language: exhaustive search, and beam search in plain Python."""

from typing import Any, NamedTuple

import numpy as np

from tests.decoding.toy import END, PAD, START


class Sentence(NamedTuple):
    """A hypothesis of one row."""

    tokens: tuple
    log_probability: float
    alignments: tuple
    state: Any

    def has_ended(self):
        """Return True if the last token is the end token."""
        return self.tokens[-1:] == (END,)


def extend(toy, row, sentence):
    """Return the sentence extended by every possible next token."""
    last = sentence.tokens[-1] if sentence.tokens else START
    log_probabilities, state, alignment = toy.advance(last, sentence.state, row)
    return [
        Sentence(
            (*sentence.tokens, token),
            sentence.log_probability + log_probability,
            (*sentence.alignments, alignment),
            state,
        )
        for token, log_probability in enumerate(log_probabilities)
    ]


def score(toy, row, sentence, alpha, beta):
    """Return log P / lp + cp, the formula of Wu et al."""
    length_penalty = ((5 + len(sentence.tokens)) / (5 + 1)) ** alpha
    coverage = 0.0
    for position in np.flatnonzero(toy.mask[row]):
        covered = sum(alignment[position] for alignment in sentence.alignments)
        coverage += np.log(max(min(covered, 1.0), 1e-10))
    return sentence.log_probability / length_penalty + beta * coverage


def search_exhaustively(toy, row, max_length):
    """Return all sentences that end within `max_length` tokens, and all that do not."""
    finished, live = [], [Sentence((), 0.0, (), toy.start(row))]
    for _ in range(max_length):
        candidates = [longer for sentence in live for longer in extend(toy, row, sentence)]
        finished += [sentence for sentence in candidates if sentence.has_ended()]
        live = [sentence for sentence in candidates if not sentence.has_ended()]
    return finished, live


def search_with_beam(toy, row, max_length, width):
    """Return all sentences that a beam finishes, and the live ones, without stopping early."""
    finished, live = [], [Sentence((), 0.0, (), toy.start(row))]
    for _ in range(max_length):
        candidates = [longer for sentence in live for longer in extend(toy, row, sentence)]
        candidates.sort(key=lambda sentence: -sentence.log_probability)
        finished += [sentence for sentence in candidates[:width] if sentence.has_ended()]
        live = [sentence for sentence in candidates if not sentence.has_ended()][:width]
    return finished, live


def rank_sentences(toy, search_row, max_length, width, alpha=0.0, beta=0.0):
    """Return the expected result of `beam_search`.

    Args:
        toy: `Toy`.
        search_row: Callable, row -> (finished, unfinished) sentences.
        max_length: Int.
        width: Int, the number of sentences to return per row.
        alpha: Float, the length penalty.
        beta: Float, the coverage penalty.

    Returns:
        tokens, lengths, scores and alignments of all rows; unfinished sentences come last.
    """
    source = toy.mask.shape[1]
    tokens = np.full((toy.batch, width, max_length), PAD)
    lengths = np.zeros((toy.batch, width), int)
    scores = np.full((toy.batch, width), np.finfo("float32").min, "float64")
    alignments = np.zeros((toy.batch, width, max_length, source))
    for row in range(toy.batch):
        best = []
        for sentences in search_row(row):
            pairs = [(score(toy, row, sentence, alpha, beta), sentence) for sentence in sentences]
            best += sorted(pairs, key=lambda pair: -pair[0])
        for slot, (value, sentence) in enumerate(best[:width]):
            length = len(sentence.tokens)
            tokens[row, slot, :length] = sentence.tokens
            lengths[row, slot] = length
            scores[row, slot] = value
            alignments[row, slot, :length] = sentence.alignments
    return tokens, lengths, scores, alignments
