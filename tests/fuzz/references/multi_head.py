"""Multi-head attention of a batch (Vaswani et al. 2017), with groups, rotary positions and bias."""

import numpy as np

from tests import reference
from tests.reference_multi_head import project, rotate, split_heads


def pair_up(weights, use_bias):
    """Return a layer's flat weights as pairs of kernel and bias, or None."""
    if use_bias:
        return list(zip(weights[0::2], weights[1::2], strict=True))
    return [(kernel, None) for kernel in weights]


def multi_head(
    query,
    value,
    key,
    weights,
    heads,
    groups,
    visible,
    base=None,
    bias=None,
    keep=None,
    round_scores=None,
):
    """Return outputs `(batch, Tq, D)`, and weights and masks `(batch, heads, Tq, Tk)`.

    Args:
        query, value, key: `(batch, T, D)`; a batch of 1 serves all queries.
        weights: Pairs of query, key, value and output.
        heads, groups: Numbers of heads of queries and of keys; consecutive heads share keys.
        visible: Bool `(batch, Tq, Tk)`.
        base: Base of the rotary positions, or None.
        bias: Added to the scores, broadcast to the weights' shape; minus infinity masks; or None.
        keep: Factors of the weights, or None.
        round_scores: Function that changes the sums of scores and bias by rounding errors, or None.
    """
    outputs, all_rows, all_visible = [], [], []
    for b, mask in enumerate(visible):
        arrays = [x[b % len(x)] for x in (query, value, key)]
        head_bias = None if bias is None else bias[b]
        head_keep = None if keep is None else keep[b]
        options = base, head_bias, head_keep, round_scores
        results = _attend_sequence(*arrays, weights, heads, groups, mask, *options)
        for batch, result in zip((outputs, all_rows, all_visible), results, strict=True):
            batch.append(result)
    return np.array(outputs), np.array(all_rows), np.array(all_visible)


def _attend_sequence(
    query, value, key, weights, heads, groups, mask, base, bias, keep, round_scores
):
    query_pair, key_pair, value_pair, (kernel, output_bias) = weights
    query_parts = split_heads(*query_pair, heads)
    key_parts, value_parts = split_heads(*key_pair, groups), split_heads(*value_pair, groups)
    contexts, all_rows, all_visible = [], [], []
    for head in range(heads):
        group = head // (heads // groups)
        queries, keys = project(query, *query_parts[head]), project(key, *key_parts[group])
        if base is not None:
            queries = rotate(queries, range(len(key) - len(query), len(key)), base)
            keys = rotate(keys, range(len(key)), base)
        scores, visible = reference.scaled_dot(queries, keys), mask
        if bias is not None:
            scores, visible = scores + bias[head], mask & (bias[head] > -np.inf)
        if round_scores is not None:
            scores = round_scores(np.asarray(scores))
        rows = reference.row_by_row(reference.softmax, scores, visible)
        kept_rows = rows if keep is None else rows * keep[head]
        contexts.append(reference.weighted_sum(kept_rows, project(value, *value_parts[group])))
        all_rows.append(rows)
        all_visible.append(visible)
    output_bias = np.zeros(np.shape(kernel)[1]) if output_bias is None else output_bias
    output = project(np.concatenate(contexts, axis=1), kernel, output_bias)
    has_key = np.array(all_visible).any(axis=(0, 2))
    return np.where(has_key[:, None], output, 0.0), np.array(all_rows), np.array(all_visible)


def cached(inputs, mask, attend):
    """Return the outputs of causal attention over each row's unmasked tokens; others are zero.

    Args:
        inputs: `(batch, T, D)`.
        mask: Bool `(batch, T)`.
        attend: Function of a row's unmasked tokens `(1, n, D)` and the row's index that returns
            outputs `(1, n, D)`.
    """
    outputs = np.zeros(np.shape(inputs))
    for b, row in enumerate(mask):
        if row.any():
            outputs[b, row] = attend(inputs[b : b + 1, row], b)[0]
    return outputs
