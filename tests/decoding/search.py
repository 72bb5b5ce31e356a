"""The best sentences of a toy language: by trying them all, and by a beam in plain Python."""

from typing import Any, NamedTuple

import numpy as np

from tests.decoding.toy import END, PAD, START


class Sentence(NamedTuple):
    """A hypothesis of one row."""

    tokens: tuple
    log_probability: float
    alignments: tuple
    state: Any

    def ended(self):
        """Whether it has its end token."""
        return self.tokens[-1:] == (END,)


def extend(toy, row, sentence):
    """The sentence with every possible next token."""
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
    """log P / lp + cp, as Wu et al. write it."""
    length_penalty = ((5 + len(sentence.tokens)) / (5 + 1)) ** alpha
    coverage = 0.0
    for position in np.flatnonzero(toy.mask[row]):
        seen = sum(alignment[position] for alignment in sentence.alignments)
        coverage += np.log(max(min(seen, 1.0), 1e-10))
    return sentence.log_probability / length_penalty + beta * coverage


def everything(toy, row, max_length):
    """All sentences: those that end within `max_length`, and those that do not."""
    finished, alive = [], [Sentence((), 0.0, (), toy.start(row))]
    for _ in range(max_length):
        candidates = [longer for sentence in alive for longer in extend(toy, row, sentence)]
        finished += [sentence for sentence in candidates if sentence.ended()]
        alive = [sentence for sentence in candidates if not sentence.ended()]
    return finished, alive


def narrow(toy, row, max_length, width):
    """All sentences that a beam of `width` finishes, and those alive in the end. Never stops."""
    finished, alive = [], [Sentence((), 0.0, (), toy.start(row))]
    for _ in range(max_length):
        candidates = [longer for sentence in alive for longer in extend(toy, row, sentence)]
        candidates.sort(key=lambda sentence: -sentence.log_probability)
        finished += [sentence for sentence in candidates[:width] if sentence.ended()]
        alive = [sentence for sentence in candidates if not sentence.ended()][:width]
    return finished, alive


def ranked(toy, found, max_length, width, alpha=0.0, beta=0.0):
    """What `beam_search` has to return for `found(row)` -> (finished, unfinished).

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
        for sentences in found(row):
            pairs = [(score(toy, row, sentence, alpha, beta), sentence) for sentence in sentences]
            best += sorted(pairs, key=lambda pair: -pair[0])
        for place, (value, sentence) in enumerate(best[:width]):
            length = len(sentence.tokens)
            tokens[row, place, :length] = sentence.tokens
            lengths[row, place] = length
            scores[row, place] = value
            alignments[row, place, :length] = sentence.alignments
    return tokens, lengths, scores, alignments
