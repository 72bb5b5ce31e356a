"""Transformer blocks of a batch (Vaswani et al. 2017; pre-norm: Xiong et al. 2020)."""

import numpy as np

from tests.fuzz.references.multi_head import multi_head, pair_up
from tests.fuzz.references.query_value import visible_pairs
from tests.reference_multi_head import feed_forward, residual


def encode(x, mask, weights, options, visible):
    """Return outputs `(batch, T, D)` and the weights of the attention.

    Args:
        x: `(batch, T, D)`; mask: bool `(batch, T)`.
        weights: Dict of lists: "self_attention", "around_self_attention", "feed_forward",
            "around_feed_forward", and for a decoder "cross_attention", "around_cross_attention".
        options: Dict of heads, groups, base, norm and use_bias.
        visible: Bool `(batch, T, T)`.
    """
    x = x * mask[..., None]
    x, rows = _attend(x, None, weights, "self_attention", options, visible, options["base"])
    return _transform(x, mask, weights, options), rows


def decode(x, memory, mask, memory_mask, weights, options, window):
    """Return outputs and the weights of both attentions; memory `(batch, Tm, Dm)`."""
    x, memory = x * mask[..., None], memory * memory_mask[..., None]
    shape = len(x), x.shape[1]
    visible = visible_pairs(*shape, x.shape[1], mask, mask, causal=True, window=window)
    x, self_rows = _attend(x, None, weights, "self_attention", options, visible, options["base"])
    visible = visible_pairs(*shape, memory.shape[1], mask, memory_mask)
    x, rows = _attend(x, memory, weights, "cross_attention", options, visible, None)
    return _transform(x, mask, weights, options), self_rows, rows


def _attend(x, memory, weights, name, options, visible, base):
    pairs, all_rows, outputs = pair_up(weights[name], options["use_bias"]), [], []
    for b, sequence in enumerate(x):

        def sublayer(query, b=b):
            query = np.asarray(query)[None]
            value = query if memory is None else memory[b : b + 1]
            heads = options["heads"], options["groups"]
            output, rows, _ = multi_head(
                query, value, value, pairs, *heads, visible[b : b + 1], base
            )
            all_rows.append(rows[0])
            return output[0]

        outputs.append(residual(options["norm"], sequence, sublayer, *weights[f"around_{name}"]))
    return np.array(outputs), np.array(all_rows)


def _transform(x, mask, weights, options):
    network, residual_weights = weights["feed_forward"], weights["around_feed_forward"]
    outputs = [
        residual(options["norm"], sequence, lambda h: feed_forward(h, *network), *residual_weights)
        for sequence in x
    ]
    return np.where(mask[..., None], outputs, 0.0)
