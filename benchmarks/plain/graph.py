"""Graph attention over a table of all pairs of nodes."""

from keras import ops


def attend_to_table(nodes, edges, kernel, receiver, sender, bias):
    """Return the outputs `(N, heads * units)`; each node also attends to itself.

    nodes: `(N, features)`; edges: int `(E, 2)` of sender and receiver; receiver and sender:
    `(heads, units)`. The number of equal edges multiplies their weight.
    """
    count, (heads, units) = nodes.shape[0], receiver.shape
    hidden = ops.reshape(ops.matmul(nodes, kernel), (count, heads, units))
    received, sent = (ops.sum(hidden * vectors, axis=-1) for vectors in (receiver, sender))
    pairs = ops.flip(edges, axis=1)
    table = ops.scatter(pairs, ops.ones(edges.shape[:1], "float32"), (count, count))
    diagonal = ops.eye(count)
    table = ops.expand_dims(table * (1 - diagonal) + diagonal, -1)
    scores = ops.leaky_relu(ops.expand_dims(received, 1) + ops.expand_dims(sent, 0), 0.2)
    weights = ops.softmax(ops.where(table > 0, scores + ops.log(ops.maximum(table, 1)), -1e9), 1)
    context = ops.einsum("ijh,jhu->ihu", weights, hidden)
    return ops.reshape(context, (count, heads * units)) + bias
