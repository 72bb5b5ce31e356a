"""Decoding by enumeration, for a language whose next token depends on the previous one only."""

import itertools
import math

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


def sample(first, table, end, length, seed, temperature, top_k, top_p, change_noise):
    """Return the tokens and the log-probability of a random token at every step.

    Args:
        first, table, end, length: As in `greedy`.
        seed: Seed of the row.
        temperature: Above 0.
        top_k, top_p: Fan et al. (2018), and Holtzman et al. (2020), section 3.1; None = all tokens.
        change_noise: Function that is applied to the noise of each step.
    """
    tokens, total, row = [], 0.0, first
    while len(tokens) < length and end not in tokens:
        candidates = list_candidates(row, temperature, top_k, top_p)
        noise = [gumbel_noise(seed, len(tokens), token) for token in candidates]
        keys = row[candidates] + temperature * change_noise(np.array(noise))
        token = candidates[int(np.argmax(keys))]
        tokens.append(token)
        total += row[token]
        row = table[token]
    return tokens, total


def list_candidates(row, temperature, top_k, top_p):
    """Return the tokens that may be drawn, most probable first, equal ones in the order of ids.

    A sum of probabilities counts as `top_p` if it is smaller by less than 1e-6.
    """
    candidates = sorted(range(len(row)), key=lambda token: (-row[token], token))[:top_k]
    if top_p is None or top_p >= 1:
        return candidates
    shares = [math.exp((row[token] - row[candidates[0]]) / temperature) for token in candidates]
    for count in range(1, len(candidates) + 1):
        if sum(shares[:count]) >= (top_p - 1e-6) * sum(shares):
            return candidates[:count]
    return candidates


def gumbel_noise(seed, index, token):
    """Return the documented noise of a row's seed, a step and a token: a hash of the three."""
    bits = hash_bits(hash_bits(hash_bits(seed) ^ index) ^ hash_bits(token))
    uniform = min(((bits >> 1) + 0.5) / 2**31, 1 - 2**-24)
    return -math.log(-math.log1p(-uniform))


def hash_bits(x):
    """Wellons's lowbias32, of x + 0x9E3779B9, https://nullprogram.com/blog/2018/07/31/."""
    x = (x + 0x9E3779B9) % 2**32
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        x = (x ^ (x >> shift)) * factor % 2**32
    return x ^ (x >> 16)
