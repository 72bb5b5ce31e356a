"""The edges of a batch of graphs as those of one graph, with a self-loop for each node."""

from typing import NamedTuple

from keras import ops

from keras_attention.integers import to_int32
from keras_attention.kernels.segments import is_index, mark_masked, sum_segments
from keras_attention.types import Tensor


class FlatEdges(NamedTuple):
    """The edges of a batch of graphs; node n of graph b has the index `b N + n`.

    Attributes:
        senders: Int32 `(batch E,)`, or `(batch (E + N),)` with self-loops; an index of a node, for
            masked edges as well.
        receivers: The same, of the nodes that the edges end at.
        segments: The receivers, with `count` in place of each one whose edge is masked.
        count: Number of nodes, `batch N`.
    """

    senders: Tensor
    receivers: Tensor
    segments: Tensor
    count: int | Tensor


def flatten_edges(
    edges: Tensor,
    nodes: Tensor,
    node_mask: Tensor | None,
    edge_mask: Tensor | None,
    self_loops: bool,
) -> FlatEdges:
    """Join the graphs of a batch into one graph.

    An edge is masked if `edge_mask` masks it, if one of its nodes is masked or does not exist, and
    with `self_loops` also if it is a self-loop.

    Args:
        edges: Int `(batch, E, 2)`: sender and receiver.
        nodes: `(batch, N, features)`; only the shape is used.
        node_mask: Bool `(batch, N)`, or None.
        edge_mask: Bool `(batch, E)`, or None.
        self_loops: Whether to append a self-loop for each visible node to the edges of its graph.
    """
    batch, node_count, _ = ops.shape(nodes)
    # Without the reshape, edges of another batch size would be broadcast in a graph that does not
    # know the sizes.
    edges = ops.reshape(to_int32(edges), (batch, ops.shape(edges)[1], 2))
    is_visible = ops.all(is_index(edges, node_count), axis=-1)
    if edge_mask is not None:
        is_visible = ops.logical_and(is_visible, edge_mask)
    edges = ops.clip(edges, 0, node_count - 1)
    senders, receivers = edges[..., 0], edges[..., 1]
    if self_loops:
        is_visible = ops.logical_and(is_visible, senders != receivers)
        loops = ops.broadcast_to(ops.arange(node_count, dtype="int32"), (batch, node_count))
        senders, receivers = (ops.concatenate([x, loops], axis=1) for x in (senders, receivers))
        is_visible = ops.concatenate([is_visible, ops.ones_like(loops, dtype="bool")], axis=1)
    first_nodes = ops.expand_dims(ops.arange(batch, dtype="int32") * node_count, -1)
    senders, receivers = (ops.reshape(x + first_nodes, (-1,)) for x in (senders, receivers))
    is_visible = ops.reshape(is_visible, (-1,))
    if node_mask is not None:
        node_mask = ops.reshape(node_mask, (-1,))
        for ends in (senders, receivers):
            is_visible = ops.logical_and(is_visible, ops.take(node_mask, ends, axis=0))
    count = batch * node_count
    segments, _ = mark_masked(receivers, count, is_visible)
    return FlatEdges(senders, receivers, segments, count)


def find_connected_nodes(edges: FlatEdges) -> Tensor:
    """Return which nodes have a visible edge: bool `(count,)`."""
    senders, _ = mark_masked(edges.senders, edges.count, edges.segments < edges.count)
    ends = ops.concatenate([senders, edges.segments], axis=0)
    return sum_segments(ops.ones_like(ends), ends, edges.count)[: edges.count] > 0
