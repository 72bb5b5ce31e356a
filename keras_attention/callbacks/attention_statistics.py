"""Entropy of the attention, and the strength of `SelfAttention2D`, as metrics of each epoch."""

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_attention.callbacks.weights import collect_weights
from keras_attention.explain.find_layers import find_layers
from keras_attention.layers import SelfAttention2D
from keras_attention.types import Nest


class AttentionStatistics(keras.callbacks.Callback):
    """Adds statistics of the attention to the metrics of each epoch.

    For each layer, "LAYER_entropy" is the mean entropy of the weights of a query, in nats,
    -sum(w ln w) with w divided by its sum: 0 if a query attends to one key only, ln n if it attends
    to n keys equally. Queries without any weight, such as fully masked ones, do not count.

    For each `SelfAttention2D`, "LAYER_gamma" is its weight gamma. It is 0 at first: the layer then
    returns its inputs.

    The metrics are in the history that `model.fit` returns, and in the logs of the callbacks that
    come after this one in the list, such as `CSVLogger` and `TensorBoard`.

    Args:
        inputs: The model's inputs for some examples, as for `model.predict`.
        layers: The layers whose entropy to compute, as in `keras_attention.attention_weights`.
            Default: all. Layers whose weights are not in [0, 1] are left out.

    Example:
    >>> model = keras.Sequential([
    ...     keras.Input((None,)),
    ...     keras.layers.Embedding(9, 4),
    ...     keras_attention.AttentionPooling(name="pooling"),
    ...     keras.layers.Dense(1)])
    >>> model.compile(loss="mse")
    >>> ids, targets = np.array([[1, 7, 2], [5, 3, 4]]), np.ones((2, 1))
    >>> statistics = keras_attention.callbacks.AttentionStatistics(ids)
    >>> history = model.fit(ids, targets, callbacks=[statistics], verbose=0)
    >>> [round(value, 2) for value in history.history["pooling_entropy"]]  # ln 3 = 1.10
    [1.1]

    Reference: gamma: Self-Attention Generative Adversarial Networks, Zhang, Goodfellow, Metaxas,
    Odena (2019), section 3, https://arxiv.org/abs/1805.08318.
    """

    def __init__(self, inputs: Nest, layers: Any = None) -> None:
        super().__init__()
        self.inputs = inputs
        self.layers = layers

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if logs is None:
            return
        for path, weights in collect_weights(self.model, self.inputs, self.layers).items():
            logs[f"{path}_entropy"] = compute_entropy(weights)
        for path, layer, *_ in find_layers(self.model).every:
            if isinstance(layer, SelfAttention2D):
                logs[f"{path}_gamma"] = float(ops.convert_to_numpy(layer.gamma))


def compute_entropy(weights: np.ndarray) -> float:
    """Return the mean entropy, in nats, of the rows of weights that are not all zero.

    Args:
        weights: (..., Tk), at least 0.
    """
    rows = weights.astype("float64").clip(0).reshape(-1, weights.shape[-1])
    rows = rows[rows.sum(axis=-1) > 0]
    if not len(rows):
        return 0.0
    shares = rows / rows.sum(axis=-1, keepdims=True)
    return float(-np.sum(shares * np.log(np.where(shares > 0, shares, 1)), axis=-1).mean())
