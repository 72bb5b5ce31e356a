"""Attention over the neighbors of the nodes of graphs."""

import dataclasses

import numpy as np
from hypothesis import strategies as st
from keras import ops

import keras_attention as ka
from tests.fuzz.checking import Problem
from tests.fuzz.references import graph as equations
from tests.fuzz.strategies import masks
from tests.fuzz.strategies.setting import Setting, lengths, settings, widths

ACTIVATIONS = {
    None: lambda x: x,
    "elu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
    "relu": lambda x: np.maximum(x, 0),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Case(Setting):
    """edge_mask: Kind of mask; masked edges have indices of no node."""

    nodes: int = 1
    edges: int = 1
    width: int = 1
    units: int = 1
    heads: int = 1
    merge: str = "concatenate"
    activation: str | None = None
    slope: float = 0.2
    self_loops: bool = True
    dynamic: bool = False
    use_bias: bool = True
    node_mask: str = "none"
    edge_mask: str = "none"
    poison: bool = False


def cases(compiled):
    """Return the strategy of the cases."""
    return st.builds(
        Case,
        **settings(compiled),
        nodes=lengths(5),
        edges=lengths(),
        width=widths(),
        units=st.integers(1, 3),
        heads=st.integers(1, 3),
        merge=st.sampled_from(["concatenate", "average"]),
        activation=st.sampled_from(list(ACTIVATIONS)),
        slope=st.sampled_from([0.2, 0.0, 1.5]),
        self_loops=st.booleans(),
        dynamic=st.booleans(),
        use_bias=st.booleans(),
        node_mask=masks.sequence_masks(),
        edge_mask=masks.sequence_masks(),
        poison=st.booleans(),
    )


def build(case):
    """Return the `Problem` of a case."""
    rng = case.rng()
    node_mask = masks.sequence_mask(case.node_mask, rng, case.batch, case.nodes)
    edge_mask = masks.sequence_mask(case.edge_mask, rng, case.batch, case.edges)
    ends = rng.integers(0, case.nodes, (2, case.batch, case.edges)).astype("int32")
    if edge_mask is not None:
        ends[:, ~edge_mask] = rng.choice([-1, case.nodes, 99], (2, np.sum(~edge_mask)))
    return Problem(
        layer=ka.GraphAttention(
            case.units,
            case.heads,
            case.merge,
            case.activation,
            case.slope,
            case.self_loops,
            case.dynamic,
            use_bias=case.use_bias,
            dtype=case.policy,
        ),
        floats={"nodes": case.draw(rng, case.batch, case.nodes, case.width)},
        fixed={
            "senders": ends[0],
            "receivers": ends[1],
            "node_mask": node_mask,
            "edge_mask": edge_mask,
        },
        call=lambda layer, floats, fixed: _call(case, layer, floats, fixed),
        reference=lambda floats, fixed, weights, keep: _evaluate(case, floats, fixed, weights),
        poison=masks.invert_masks(case, nodes=node_mask),
        unconnected=("*",),  # the scores, if no node has a neighbor
    )


def _call(case, layer, floats, fixed):
    edges = ops.stack([fixed["senders"], fixed["receivers"]], axis=-1)
    results = layer(
        [floats["nodes"], edges],
        mask=[fixed.get("node_mask"), None],
        edge_mask=fixed.get("edge_mask"),
        return_attention_scores=True,
    )
    return dict(zip(("output", "weights", "loops"), results, strict=False))


def _evaluate(case, floats, fixed, weights):
    *weights, bias = weights if case.use_bias else [*weights, 0.0]
    node_mask = fixed.get("node_mask", np.ones((case.batch, case.nodes), bool))
    edge_mask = fixed.get("edge_mask", np.ones((case.batch, case.edges), bool))
    edges = np.stack([fixed["senders"], fixed["receivers"]], axis=-1)
    results, visible = [], np.zeros((case.batch, case.edges), bool)
    for b in range(case.batch):
        for e, ends in enumerate(edges[b]):
            is_real = edge_mask[b, e] and all(0 <= n < case.nodes and node_mask[b, n] for n in ends)
            visible[b, e] = is_real and not (case.self_loops and ends[0] == ends[1])
        options = case.heads, case.dynamic, case.self_loops, case.slope
        results.append(
            equations.graph_attention(floats["nodes"][b], edges[b], visible[b], weights, *options)
        )
    contexts, rows, loops = (np.array(part) for part in zip(*results, strict=True))
    if case.merge == "average":
        merged = contexts.mean(axis=2)
    else:
        merged = contexts.reshape(case.batch, case.nodes, -1)
    output = ACTIVATIONS[case.activation](merged + bias) * node_mask[..., None]
    results = {
        "output": output,
        "zero": ~node_mask,
        "weights": rows,
        "visible": np.broadcast_to(visible[..., None], rows.shape),
    }
    return results | ({"loops": loops * node_mask[..., None]} if case.self_loops else {})
