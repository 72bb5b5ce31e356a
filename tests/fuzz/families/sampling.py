"""Decoding by sampling, with the seeds of each row."""

import dataclasses

import keras
import numpy as np
from hypothesis import strategies as st

import keras_attention as ka
from tests.fuzz.checking import Problem
from tests.fuzz.families.decoding import PAD, log_softmax, look_up
from tests.fuzz.references import decoding as equations
from tests.fuzz.strategies import values
from tests.fuzz.strategies.setting import Setting, settings


@dataclasses.dataclass(frozen=True, kw_only=True)
class Case(Setting):
    """temperature: None = one for each row. impossible: Whether some tokens have probability 0."""

    vocabulary: int = 2
    length: int = 1
    temperature: float | None = 1.0
    top_k: int | None = None
    top_p: float | None = None
    impossible: bool = False


def cases(compiled):
    """Return the strategy of the cases."""
    return st.builds(
        Case,
        **settings(compiled, max_order=0, half=False),
        vocabulary=st.integers(2, 9),
        length=st.integers(1, 6),
        temperature=st.sampled_from([None, 0.0, 0.3, 1.0, 2.0]),
        top_k=st.sampled_from([None, None, 1, 2, 3, 20]),
        top_p=st.sampled_from([None, None, 1e-3, 0.5, 0.9, 1.0]),
        impossible=st.booleans(),
    ).map(complete)


def complete(case):
    """Return the case with the fields that others determine."""
    change = {"policy": "float32"}
    if case.values in ("large", "outlier"):
        change["values"] = "normal"
    return dataclasses.replace(case, **change)


def build(case):
    """Return the `Problem` of a case."""
    rng, size = case.rng(), case.vocabulary
    logits = values.draw(case.values, rng, (case.batch, size + 1, size))
    if case.impossible:
        logits = np.where(rng.random(logits.shape) < 0.2, -np.inf, logits)
        logits[..., 1] = np.maximum(logits[..., 1], -5)  # some token is always possible
    temperature = None
    if case.temperature is None:
        temperature = rng.choice([0.0, 0.5, 1.0], size=case.batch).astype("float32")
    return Problem(
        layer=keras.layers.Identity(),
        floats={"logits": logits},
        fixed={
            "seeds": rng.integers(-(2**31), 2**31, size=case.batch).astype("int32"),
            "temperature": temperature,
        },
        call=lambda layer, floats, fixed: _call(case, floats["logits"], fixed),
        reference=lambda floats, fixed, weights, keep: _evaluate(case, floats["logits"], fixed),
        sizes={"scores": 1.0},  # as in greedy decoding
        known_axes={"logits": (1,)},
    )


def _call(case, logits, fixed):
    decoded = ka.decoding.sample(
        look_up,
        logits,
        start_token=case.vocabulary,
        end_token=1,
        max_length=case.length,
        pad_token=PAD,
        temperature=fixed.get("temperature", case.temperature),
        top_k=case.top_k,
        top_p=case.top_p,
        seed=fixed["seeds"],
    )
    return {"tokens": decoded.tokens, "scores": decoded.scores, "lengths": decoded.lengths}


def _evaluate(case, logits, fixed):
    tokens = np.full((case.batch, case.length), float(PAD))
    scores, lengths = np.zeros(case.batch), np.zeros(case.batch)
    for b, table in enumerate(log_softmax(logits)):
        temperature = case.temperature
        if temperature is None:
            temperature = float(fixed["temperature"][b])
        if temperature == 0 or case.top_k == 1:
            sentence, scores[b] = equations.greedy(table[-1], table, 1, case.length)
        else:
            sentence, scores[b] = equations.sample(
                table[-1],
                table,
                1,
                case.length,
                int(fixed["seeds"][b]),
                temperature,
                case.top_k,
                case.top_p,
                fixed.get("round", lambda noise: noise),
            )
        tokens[b, : len(sentence)], lengths[b] = sentence, len(sentence)
    return {"tokens": tokens, "scores": scores, "lengths": lengths}
