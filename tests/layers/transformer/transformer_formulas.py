"""The papers' formulas of Transformer blocks, with the weights of one of our blocks."""

import numpy as np

from tests.layers.multi_head.multi_head_formulas import kernels_and_biases, numpy
from tests.reference_multi_head import feed_forward, multi_head, residual

VARIANTS = {
    "post": {"num_heads": 2},
    "pre": {"num_heads": 3, "key_dim": 2, "norm": "pre", "rotary_base": 20.0},
    "grouped": {"num_heads": 4, "key_dim": 2, "num_key_value_heads": 2},
}
HIDDEN = 11


def float64_weights(layer):
    return [numpy(w).astype("float64") for w in layer.weights]


def attention_sublayer(block, layer, residual_layer, x, memory, pair_mask):
    """Compute an attention sublayer with its residual; return output and weights."""
    all_rows = []

    def sublayer(query):
        value = query if memory is None else memory
        base = getattr(layer, "rotary_base", None)
        heads = layer.num_heads, layer.num_key_value_heads
        output, rows = multi_head(
            query, value, value, kernels_and_biases(layer), *heads, pair_mask, base
        )
        all_rows.append(rows)
        return output

    return residual(block.norm, x, sublayer, *float64_weights(residual_layer)), all_rows[0]


def feed_forward_sublayer(block, x):
    network = float64_weights(block.feed_forward)
    residual_layer = float64_weights(block.around_feed_forward)
    return residual(block.norm, x, lambda h: feed_forward(h, *network), *residual_layer)


def encode_formula(block, x, mask, is_causal=False):
    """Compute an encoder block for one sequence; return output and weights."""
    pair_mask = np.tril(np.ones((len(x), len(x)), bool)) if is_causal else True
    x, pair_mask = np.where(mask[:, None], x, 0), mask[:, None] & mask & pair_mask
    residual_layer = block.around_self_attention
    x, rows = attention_sublayer(block, block.self_attention, residual_layer, x, None, pair_mask)
    return np.where(mask[:, None], feed_forward_sublayer(block, x), 0), rows


def decode_formula(block, x, memory, mask, memory_mask):
    """Compute a decoder block for one sequence; return output and both attentions' weights."""
    x, pair_mask = np.where(mask[:, None], x, 0), mask[:, None] & mask & np.tri(len(x), dtype=bool)
    residual_layer = block.around_self_attention
    x, self_rows = attention_sublayer(
        block, block.self_attention, residual_layer, x, None, pair_mask
    )
    pair_mask = mask[:, None] & memory_mask
    residual_layer = block.around_cross_attention
    x, rows = attention_sublayer(block, block.cross_attention, residual_layer, x, memory, pair_mask)
    return np.where(mask[:, None], feed_forward_sublayer(block, x), 0), self_rows, rows
