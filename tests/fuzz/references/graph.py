"""Attention over the neighbors of each node, in loops over graphs, heads, nodes and edges."""

import numpy as np

from tests import reference


def leaky(x, slope):
    return x if x > 0 else slope * x


def graph_attention(nodes, edges, visible, weights, heads, dynamic, self_loops, slope):
    """Veličković et al. (2018), equations 1 to 5; if `dynamic`, Brody et al. (2022), equation 7.

    Args:
        nodes: `(N, features)`.
        edges: Int `(E, 2)`, sender and receiver.
        visible: Bool `(E,)`; a masked edge may have any indices.
        weights: The layer's, without bias.
        heads: Number of heads.
        dynamic: Whether the score is the one of equation 7.
        self_loops: Whether each node is its own neighbor, once.
        slope: Of the LeakyReLU.

    Returns:
        Contexts `(N, heads, units)`, weights of the edges `(E, heads)` and of the self-loops
        `(N, heads)`.
    """
    kernel, *attention = weights
    units = kernel.shape[1] // heads
    contexts = np.zeros((len(nodes), heads, units))
    rows, loops = np.zeros((len(edges), heads)), np.zeros((len(nodes), heads))
    for head in range(heads):
        columns = slice(head * units, (head + 1) * units)
        sent = [reference.times(x, kernel[:, columns]) for x in nodes]
        received = sent
        if dynamic:
            received = [reference.times(x, attention[0][:, columns]) for x in nodes]
        for i in range(len(nodes)):
            scores, places = [], []
            for e, (j, receiver) in enumerate(edges):
                if visible[e] and receiver == i and not (self_loops and j == i):
                    places.append((e, j))
            if self_loops:
                places.append((None, i))
            for _, j in places:
                if dynamic:
                    hidden = [leaky(x, slope) for x in received[i] + sent[j]]
                    scores.append(reference.inner(attention[1][head], hidden))
                else:
                    parts = zip(attention, (received[i], sent[j]), strict=True)
                    total = sum(reference.inner(vector[head], x) for vector, x in parts)
                    scores.append(leaky(total, slope))
            shares = reference.softmax(scores) if scores else []
            for (e, j), share in zip(places, shares, strict=True):
                contexts[i, head] += share * sent[j]
                if e is None:
                    loops[i, head] = share
                else:
                    rows[e, head] = share
    return contexts, rows, loops
