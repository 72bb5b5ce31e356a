"""Graph attention in float64 and plain loops, for one graph.

Independent of the package. Shapes: nodes (N, features), edges (E, 2) of sender and receiver.
"""

import math

import numpy as np

from tests import reference


def leaky_relu(x, slope):
    return x if x > 0 else slope * x


def softmax(scores):
    parts = [math.exp(s - max(scores)) for s in scores]
    return [p / sum(parts) for p in parts]


def graph_attention(nodes, edges, weights, heads, dynamic=False, self_loops=True, slope=0.2):
    """Veličković et al. (2018), equations 1 to 5; with `dynamic`, Brody et al. (2022), equation 7.

    `weights`: in the layer's order, without bias. Returns the outputs (N, heads, units) before the
    activation, and the weights of the edges (E, heads), with 0 for those that are ignored.
    """
    kernel, *attention = [np.asarray(w, "float64") for w in weights]
    units = kernel.shape[1] // heads
    outputs, rows = np.zeros((len(nodes), heads, units)), np.zeros((len(edges), heads))
    for head in range(heads):
        columns = slice(head * units, (head + 1) * units)
        sent = [reference.times(node, kernel[:, columns]) for node in nodes]
        received = sent
        if dynamic:
            received = [reference.times(node, attention[0][:, columns]) for node in nodes]

        def score(j, i, head=head, sent=sent, received=received):
            if dynamic:
                hidden = [
                    leaky_relu(r + s, slope) for r, s in zip(received[i], sent[j], strict=True)
                ]
                return reference.inner(attention[1][head], hidden)
            receiver, sender = attention[0][head], attention[1][head]
            total = reference.inner(receiver, received[i]) + reference.inner(sender, sent[j])
            return leaky_relu(total, slope)

        for i in range(len(nodes)):
            incoming = [e for e, (j, to) in enumerate(edges) if to == i]
            if self_loops:
                incoming = [e for e in incoming if edges[e][0] != i]
            senders = [edges[e][0] for e in incoming] + [i] * self_loops
            if not senders:
                continue
            shares = softmax([score(j, i) for j in senders])
            for j, share in zip(senders, shares, strict=True):
                outputs[i, head] += share * np.asarray(sent[j])
            for e, share in zip(incoming, shares, strict=False):
                rows[e, head] = share
    return outputs, rows
