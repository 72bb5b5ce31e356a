"""Scores of a graph's edges: additive, with LeakyReLU in place of Bahdanau's tanh."""

import keras
from keras import ops

from keras_attention.precision import at_least_float32
from keras_attention.types import Tensor


def compute_edge_scores(
    nodes: Tensor,
    receiver: Tensor,
    sender: Tensor,
    receivers: Tensor,
    senders: Tensor,
    negative_slope: float,
) -> Tensor:
    """Compute `LeakyReLU(receiver . nodes[i] + sender . nodes[j])` for each edge from j to i.

    A dot product with the concatenation of two vectors is the sum of two dot products, so that only
    one addition is left for each edge. All receivers rank the senders in the same order.

    Args:
        nodes: Projected nodes `(N, heads, units)`.
        receiver: `(heads, units)`.
        sender: `(heads, units)`.
        receivers: Int `(E,)`, the node i of each edge.
        senders: Int `(E,)`, the node j of each edge.
        negative_slope: Slope of the LeakyReLU below 0.

    Returns:
        Scores `(E, heads)`, float32 or float64.
    """
    nodes = at_least_float32(nodes)
    received = ops.sum(ops.multiply(nodes, receiver), axis=-1)
    sent = ops.sum(ops.multiply(nodes, sender), axis=-1)
    scores = ops.take(received, receivers, axis=0) + ops.take(sent, senders, axis=0)
    return _leaky_relu(scores, negative_slope)


def compute_dynamic_edge_scores(
    received: Tensor,
    sent: Tensor,
    scale: Tensor,
    receivers: Tensor,
    senders: Tensor,
    negative_slope: float,
) -> Tensor:
    """Compute `scale . LeakyReLU(received[i] + sent[j])` for each edge from j to i.

    Args:
        received: Nodes `(N, heads, units)`, projected as receivers.
        sent: Nodes `(N, heads, units)`, projected as senders.
        scale: `(heads, units)`.
        receivers: Int `(E,)`, the node i of each edge.
        senders: Int `(E,)`, the node j of each edge.
        negative_slope: Slope of the LeakyReLU below 0.

    Returns:
        Scores `(E, heads)`, float32 or float64.
    """
    received, sent = at_least_float32(received), at_least_float32(sent)
    hidden = ops.take(received, receivers, axis=0) + ops.take(sent, senders, axis=0)
    return ops.sum(ops.multiply(_leaky_relu(hidden, negative_slope), scale), axis=-1)


def _leaky_relu(x, negative_slope):
    if keras.backend.standardize_dtype(x.dtype) == "float64":
        # TensorFlow's operation rounds the slope to float32.
        return ops.where(x > 0, x, negative_slope * x)
    return ops.leaky_relu(x, negative_slope)
