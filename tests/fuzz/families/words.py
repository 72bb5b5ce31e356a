"""Sentences as bags of words, and the logits of their ids."""

import dataclasses

import numpy as np
from hypothesis import strategies as st

import keras_attention as ka
from tests import reference
from tests.fuzz.checking import Problem
from tests.fuzz.references import memory_network as equations
from tests.fuzz.strategies.setting import Setting, lengths, settings, widths


@dataclasses.dataclass(frozen=True, kw_only=True)
class Case(Setting):
    """spare: What `max_length` is above the longest sentence; None = no `max_length`."""

    size: int = 2
    width: int = 1
    encoding: str | None = "authors"
    sentences: int = 1
    words: int = 1
    spare: int | None = None
    ids: str = "int32"


def cases(compiled):
    """Return the strategy of the cases."""
    return st.builds(
        Case,
        **settings(compiled, max_order=1),
        size=st.integers(2, 7),
        width=widths(),
        encoding=st.sampled_from(["authors", "paper", None]),
        sentences=st.integers(1, 4),
        words=lengths(7),
        spare=st.sampled_from([None, None, 0, 2]),
        ids=st.sampled_from(["int32", "int64", "uint8"]),
    )


def build(case):
    """Return the `Problem` of a case."""
    rng, shape = case.rng(), (case.batch, case.sentences, case.words)
    ids = rng.integers(1, case.size, shape)
    ids *= np.arange(case.words) < rng.integers(0, case.words + 1, shape[:2])[..., None]
    max_length = None if case.spare is None else case.words + case.spare
    return Problem(
        layer=ka.BagOfWords(
            case.size, case.width, case.encoding, max_length=max_length, dtype=case.policy
        ),
        floats={"vectors": case.draw(rng, case.batch, case.width)},
        fixed={"ids": ids.astype(case.ids)},
        call=lambda layer, floats, fixed: {
            "output": layer(fixed["ids"]),
            "logits": layer.logits(floats["vectors"]),
        },
        reference=lambda floats, fixed, weights, keep: {
            "output": equations.embed_sentences(
                fixed["ids"].tolist(), weights[0], case.encoding, max_length
            ),
            "zero": ~fixed["ids"].any(axis=-1),
            "logits": np.array([reference.times(x, weights[0].T) for x in floats["vectors"]]),
        },
    )
