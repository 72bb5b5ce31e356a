"""Attention in several hops to the memories of a memory network."""

import dataclasses

import numpy as np
from hypothesis import strategies as st

import keras_attention as ka
from tests.fuzz.checking import Problem
from tests.fuzz.references import memory_network as equations
from tests.fuzz.references.query_value import SCORES, WEIGH
from tests.fuzz.strategies import masks
from tests.fuzz.strategies.setting import Setting, lengths, settings, widths

ACTIVATIONS = {None: lambda x: x, "tanh": np.tanh, "relu": lambda x: np.maximum(x, 0)}


def _keep_scores(scores):
    return list(scores)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Case(Setting):
    """queries: None = one query without an axis of queries. shared: A memory for all samples."""

    hops: int = 1
    tying: str = "adjacent"
    score: str = "dot"
    normalize: str = "softmax"
    activation: str | None = None
    queries: int | None = None
    places: int = 1
    width: int = 1
    shared: bool = False
    query_mask: str = "none"
    memory_mask: str = "none"
    return_weights: bool = True
    poison: bool = False


def cases(compiled):
    """Return the strategy of the cases."""
    return st.builds(
        Case,
        **settings(compiled),
        hops=st.integers(1, 3),
        tying=st.sampled_from(["adjacent", "layer_wise"]),
        score=st.sampled_from(["dot", "dot", "scaled_dot", "general", "cosine"]),
        normalize=st.sampled_from(["softmax", "softmax", "linear", "sparsemax", "smooth"]),
        activation=st.sampled_from(list(ACTIVATIONS)),
        queries=st.sampled_from([None, None, 1, 3]),
        places=lengths(6),
        width=widths(),
        shared=st.sampled_from([False] * 4 + [True]),
        query_mask=masks.sequence_masks(),
        memory_mask=masks.sequence_masks(),
        return_weights=st.booleans(),
        poison=st.booleans(),
    ).map(complete)


def complete(case):
    """Return the case with the fields that others determine."""
    change = {"shared": case.shared and case.batch > 1}
    if case.queries is None:
        change["query_mask"] = "none"
    if case.normalize == "linear" and case.values in ("large", "outlier"):
        change["values"] = "normal"  # each hop would multiply the numbers by their squares
    if case.normalize == "sparsemax":
        change["order"] = min(case.order, 1)
    return dataclasses.replace(case, **change)


def build(case):
    """Return the `Problem` of a case."""
    rng, memory_batch = case.rng(), 1 if case.shared else case.batch
    count = 2 if case.tying == "layer_wise" else case.hops + 1
    axes = () if case.queries is None else (case.queries,)
    query_mask = masks.sequence_mask(case.query_mask, rng, case.batch, case.queries or 1)
    memory_mask = masks.sequence_mask(case.memory_mask, rng, memory_batch, case.places)
    memories = {
        f"memory_{n}": case.draw(rng, memory_batch, case.places, case.width) for n in range(count)
    }
    poisoned = dict.fromkeys(memories, memory_mask) | {"query": query_mask}
    return Problem(
        layer=ka.MultiHopAttention(
            case.hops,
            case.tying,
            case.score,
            case.normalize,
            case.activation,
            dtype=case.policy,
        ),
        floats={"query": case.draw(rng, case.batch, *axes, case.width), **memories},
        fixed={"query_mask": query_mask, "memory_mask": memory_mask},
        call=lambda layer, floats, fixed: _call(case, layer, floats, fixed),
        reference=lambda floats, fixed, weights, keep: _evaluate(case, floats, fixed, weights),
        poison=masks.invert_masks(case, **poisoned),
        unconnected=("*",),
    )


def _call(case, layer, floats, fixed):
    memories = [x for name, x in floats.items() if name != "query"]
    results = layer(
        [floats["query"], *memories],
        mask=[fixed.get("query_mask"), *[fixed.get("memory_mask")] * len(memories)],
        return_attention_scores=case.return_weights,
    )
    if case.return_weights:
        return {"output": results[0], "weights": results[1]}
    return {"output": results}


def _evaluate(case, floats, fixed, weights):
    queries = case.queries or 1
    query = floats["query"].reshape(case.batch, queries, case.width)
    memories = [x for name, x in floats.items() if name != "query"]
    matrix = weights[0] if case.tying == "layer_wise" else None
    parameters = weights[1:] if case.tying == "layer_wise" else weights
    is_query = fixed.get("query_mask", np.ones((case.batch, queries), bool))
    is_place = fixed.get("memory_mask", np.ones((1, case.places), bool))
    visible = is_query[:, :, None] & is_place[:, None]
    if matrix is not None:
        memories = [memories] * case.hops
    else:
        memories = list(zip(memories[:-1], memories[1:], strict=True))
    output, rows = equations.hop_by_hop(
        query * is_query[..., None],
        memories,
        visible,
        lambda query, key: SCORES[case.score](query, key, *parameters),
        _keep_scores if case.normalize == "linear" else WEIGH[case.normalize],
        ACTIVATIONS[case.activation],
        matrix,
    )
    output = output * is_query[..., None]
    visible = np.broadcast_to(visible[:, None], rows.shape)
    results = {"output": output, "zero": ~is_query}
    if case.return_weights:
        results |= {"weights": rows, "visible": visible}
    if case.queries is not None:
        return results
    axes = {"output": 1, "zero": 1, "weights": 2, "visible": 2}
    return {name: np.squeeze(x, axes[name]) for name, x in results.items()}
