"""The formulas of TensorFlow Addons' `AttentionWrapper` in float64 NumPy."""

import numpy as np


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def luong_scores(query, memory, weights):
    """`g query . (memory W)`."""
    scores = np.einsum("bi,bji->bj", query, memory @ weights["memory_layer/kernel"])
    return weights.get("attention_g", 1.0) * scores


def bahdanau_scores(query, memory, weights):
    """`v . tanh(query Wq + memory Wm)`, or with g and b `(g v / |v|) . tanh(... + b)`."""
    projected = (query @ weights["query_layer/kernel"])[:, None]
    hidden = np.tanh(
        memory @ weights["memory_layer/kernel"] + projected + weights.get("attention_b", 0)
    )
    v = weights["attention_v"]
    if "attention_g" in weights:
        v = weights["attention_g"] * v / np.sqrt(np.sum(v**2))
    return hidden @ v


def softmax(scores, previous, mask):
    exponentials = np.exp(np.where(mask, scores, -np.inf))
    return exponentials / exponentials.sum(-1, keepdims=True)


def hardmax(scores, previous, mask):
    return np.eye(scores.shape[1])[np.where(mask, scores, -np.inf).argmax(-1)]


def recursive(scores, previous, mask):
    """The exact recursion of the monotonic mechanisms."""
    chosen, q = np.where(mask, sigmoid(scores), 0.0), np.zeros_like(scores)
    for j in range(scores.shape[1]):
        q[:, j] = previous[:, j] + ((1 - chosen[:, j - 1]) * q[:, j - 1] if j else 0.0)
    return chosen * q


def parallel(scores, previous, mask):
    """The closed form of the monotonic mechanisms, which is inexact where a product is clipped."""
    chosen = np.where(mask, sigmoid(scores), 0.0)
    passed = np.clip(1 - chosen, np.finfo("float32").tiny, 1)
    products = np.cumprod(np.pad(passed[:, :-1], [(0, 0), (1, 0)], constant_values=1), axis=1)
    return chosen * products * np.cumsum(previous / np.clip(products, 1e-10, 1), axis=1)


def hard(scores, previous, mask):
    chosen = (np.where(mask, scores, -1) > 0) * np.cumsum(previous, axis=1)
    passed = np.pad(1 - chosen[:, :-1], [(0, 0), (1, 0)], constant_values=1)
    return chosen * np.cumprod(passed, axis=1)


def lstm_step(inputs, states, weights):
    hidden, carry = states
    kernels = weights["cell/kernel"], weights["cell/recurrent_kernel"]
    gates = inputs @ kernels[0] + hidden @ kernels[1] + weights["cell/bias"]
    i, f, g, o = np.split(gates, 4, axis=-1)
    carry = sigmoid(f) * carry + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(carry), carry


def attention_wrapper(inputs, memory, mask, weights, normalize):
    """Run an `AttentionWrapper` around an LSTM.

    Args:
        inputs: `(batch, steps, D)`.
        memory: `(batch, keys, Dm)`.
        mask: Bool `(batch, keys)`, True = visible.
        weights: Dict of float64 arrays, by the ends of their names in Addons.
        normalize: One of the functions of this module.

    Returns:
        Attentions and alignments of all steps, the cell's outputs, and the last states of the cell.
    """
    batch, keys, memory_width = memory.shape
    scores_of = bahdanau_scores if "attention_v" in weights else luong_scores
    output_kernel = weights.get("attention_layer/kernel")
    width = memory_width if output_kernel is None else output_kernel.shape[1]
    units = weights["cell/recurrent_kernel"].shape[0]
    attention, states = np.zeros((batch, width)), (np.zeros((batch, units)),) * 2
    alignment = np.eye(keys)[np.zeros(batch, int)]
    memory = memory * mask[..., None]
    results = []
    for t in range(inputs.shape[1]):
        states = lstm_step(np.concatenate([inputs[:, t], attention], -1), states, weights)
        scores = scores_of(states[0], memory, weights) + weights.get("attention_score_bias", 0.0)
        alignment = normalize(scores, alignment, mask)
        attention = np.einsum("bj,bjd->bd", alignment, memory)
        if output_kernel is not None:
            attention = np.concatenate([states[0], attention], -1) @ output_kernel
        results.append((attention, alignment, states[0]))
    return *(np.stack(parts, axis=1) for parts in zip(*results, strict=True)), states
