"""A Transformer's blocks by the papers' formulas, with the weights of one of ours."""

import numpy as np

from tests.layers.multi_head.multi_head_formulas import numpy, pairs
from tests.reference_multi_head import feed_forward, multi_head, residual

WAYS = {
    "post": {"num_heads": 2},
    "pre": {"num_heads": 3, "key_dim": 2, "norm": "pre", "rotary_base": 20.0},
    "grouped": {"num_heads": 4, "key_dim": 2, "num_key_value_heads": 2},
}
HIDDEN = 11


def weights(layer):
    return [numpy(w).astype("float64") for w in layer.weights]


def attended(block, layer, around, x, memory, mask):
    """One attention in its residual, and its weights."""
    seen = []

    def sublayer(query):
        known = query if memory is None else memory
        base = getattr(layer, "rotary_base", None)
        heads = layer.num_heads, layer.num_key_value_heads
        output, rows = multi_head(query, known, known, pairs(layer), *heads, mask, base)
        seen.append(rows)
        return output

    return residual(block.norm, x, sublayer, *weights(around)), seen[0]


def fed(block, x):
    network = weights(block.feed_forward)
    around = weights(block.around_feed_forward)
    return residual(block.norm, x, lambda h: feed_forward(h, *network), *around)


def encoded(block, x, real, is_causal=False):
    """One sequence through an encoder block: output and weights."""
    mask = np.tril(np.ones((len(x), len(x)), bool)) if is_causal else True
    x, mask = np.where(real[:, None], x, 0), real[:, None] & real & mask
    around = block.around_self_attention
    x, rows = attended(block, block.self_attention, around, x, None, mask)
    return np.where(real[:, None], fed(block, x), 0), rows


def decoded(block, x, memory, real, real_memory):
    """One sequence through a decoder block: output and the weights of both attentions."""
    x, mask = np.where(real[:, None], x, 0), real[:, None] & real & np.tri(len(x), dtype=bool)
    around = block.around_self_attention
    x, own = attended(block, block.self_attention, around, x, None, mask)
    mask = real[:, None] & real_memory
    around = block.around_cross_attention
    x, rows = attended(block, block.cross_attention, around, x, memory, mask)
    return np.where(real[:, None], fed(block, x), 0), own, rows
