"""Decoding by enumeration, for a language whose next token depends on the previous one only."""

import itertools

import numpy as np


def enumerate_sentences(first, table, end, length):
    """Return all sentences of one row as (tokens, log-probability).

    Args:
        first: Log-probabilities of the first token, `(V,)`.
        table: Log-probabilities of the next token given the previous one, `(V, V)`.
        end: The token that ends a sentence.
        length: Maximum number of tokens.

    Returns:
        Ended sentences, best first, and unfinished ones, best first. Equally probable ones are in
        the order of their tokens.
    """
    vocabulary = len(first)
    ended, unfinished = [], []
    for count in range(1, length + 1):
        for tokens in itertools.product(range(vocabulary), repeat=count):
            if end in tokens[:-1]:
                continue
            has_ended = tokens[-1] == end
            if not has_ended and count < length:
                continue
            total, previous = 0.0, None
            for token in tokens:
                total += first[token] if previous is None else table[previous, token]
                previous = token
            (ended if has_ended else unfinished).append((tokens, total))
    return [sorted(part, key=lambda s: -s[1]) for part in (ended, unfinished)]


def greedy(first, table, end, length):
    """Return the tokens and the log-probability of the likeliest next token at every step."""
    tokens, total, row = [], 0.0, first
    while len(tokens) < length and end not in tokens:
        token = int(np.argmax(row))
        tokens.append(token)
        total += row[token]
        row = table[token]
    return tokens, total


def penalize(tokens, total, alpha):
    """Wu et al. (2016): log P / lp with lp = ((5 + |Y|) / 6) ** alpha."""
    return total / ((5 + len(tokens)) / 6) ** alpha
