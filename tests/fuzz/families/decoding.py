"""Greedy decoding, and beam search with a beam that holds every sentence."""

import dataclasses

import keras
import numpy as np
from hypothesis import strategies as st
from keras import ops

import keras_attention as ka
from tests.fuzz.checking import Problem
from tests.fuzz.references import decoding as equations
from tests.fuzz.strategies import values
from tests.fuzz.strategies.setting import Setting, settings

PAD = -7


@dataclasses.dataclass(frozen=True, kw_only=True)
class Case(Setting):
    """impossible: Whether some tokens have a probability of 0."""

    is_greedy: bool = True
    vocabulary: int = 2
    length: int = 1
    alpha: float = 0.0
    impossible: bool = False


def cases(compiled):
    """Return the strategy of the cases."""
    return st.builds(
        Case,
        **settings(compiled, max_order=0, half=False),
        is_greedy=st.booleans(),
        vocabulary=st.integers(2, 4),
        length=st.integers(1, 4),
        alpha=st.sampled_from([0.0, 0.6, 1.0]),
        impossible=st.booleans(),
    ).map(complete)


def complete(case):
    """Return the case with the fields that others determine."""
    change = {"policy": "float32"}
    if case.values in ("large", "tiny", "outlier", "quotients"):
        change["values"] = "normal"
    if not case.is_greedy:
        change["length"] = min(case.length, 3)
        if case.values != "normal":
            change["values"] = "normal"  # the order of equal sentences is not defined
    return dataclasses.replace(case, **change)


def build(case):
    """Return the `Problem` of a case."""
    rng, size = case.rng(), case.vocabulary
    logits = values.draw(case.values, rng, (case.batch, size + 1, size))
    if case.impossible:
        logits = np.where(rng.random(logits.shape) < 0.2, -np.inf, logits)
        logits[..., 1] = np.maximum(logits[..., 1], -5)  # some token is always possible
    return Problem(
        layer=keras.layers.Identity(),
        floats={"logits": logits},
        fixed={},
        call=lambda layer, floats, fixed: _call(case, floats["logits"]),
        reference=lambda floats, fixed, weights, keep: _reference(case, floats["logits"]),
        is_exact=True,
        # The log-probability of a likely token is the logarithm of a sum near 1, and has the
        # rounding error of that sum.
        sizes={"scores": 1.0},
        known_axes={"logits": (1,)},
    )


def look_up(tokens, state, memory):
    """Step of a language whose logits are a table; its last row is that of the start token."""
    index = ops.cast(tokens, "int32")[:, None, None]
    rows = ops.take_along_axis(state, ops.broadcast_to(index, (*ops.shape(index)[:2], 1)), 1)
    return ops.squeeze(rows, 1), state, None


def log_softmax(logits):
    shifted = logits - logits.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


def _call(case, logits):
    options = {"start_token": case.vocabulary, "end_token": 1, "pad_token": PAD}
    if case.is_greedy:
        decoded = ka.decoding.greedy(look_up, logits, max_length=case.length, **options)
    else:
        decoded = ka.decoding.beam_search(
            look_up,
            logits,
            max_length=case.length,
            beam_width=case.vocabulary**case.length,
            length_penalty=case.alpha,
            **options,
        )
    return {"tokens": decoded.tokens, "scores": decoded.scores, "lengths": decoded.lengths}


def _reference(case, logits):
    log_p = log_softmax(logits)
    width = 1 if case.is_greedy else case.vocabulary**case.length
    tokens = np.full((case.batch, width, case.length), float(PAD))
    scores = np.full((case.batch, width), float(np.finfo("float32").min))
    lengths = np.zeros((case.batch, width))
    for b, table in enumerate(log_p):
        if case.is_greedy:
            sentences = [equations.greedy(table[-1], table, 1, case.length)]
        else:
            sentences = []
            for part in equations.enumerate_sentences(table[-1], table, 1, case.length):
                part = [(t, equations.penalize(t, p, case.alpha)) for t, p in part if p > -np.inf]
                sentences += sorted(part, key=lambda s: -s[1])
        for slot, (sentence, score) in enumerate(sentences[:width]):
            tokens[b, slot, : len(sentence)] = sentence
            scores[b, slot], lengths[b, slot] = score, len(sentence)
    results = {"tokens": tokens, "scores": scores, "lengths": lengths}
    return {k: v[:, 0] for k, v in results.items()} if case.is_greedy else results
