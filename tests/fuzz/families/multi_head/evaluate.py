"""Call multi-head attention, and evaluate its equations."""

import numpy as np
from keras import ops

from tests.fuzz.families.dropout import RATE
from tests.fuzz.references import multi_head as equations
from tests.fuzz.references.query_value import visible_pairs

BASE = 20.0  # of the rotary positions


def show_dropout(case, weights):
    """Return weights with which the output's columns are the weights that multiply the values."""
    step, keys = 2 if case.use_bias else 1, case.keys
    value, output = 2 * step, 3 * step
    weights[value] = np.zeros(weights[value].shape)
    weights[value][-keys:] = np.tile(np.eye(keys), (1, case.groups))
    weights[output] = np.eye(*weights[output].shape)
    if case.use_bias:
        weights[value + 1] *= 0
        weights[output + 1] *= 0
    return weights


def call(case, layer, floats, fixed):
    """Return the layer's outputs."""
    value, query, key = floats["value"], floats.get("query"), floats.get("key")
    inputs, mask = value, fixed.get("query_mask")
    if not case.is_self:
        inputs = [query, value] if key is None else [query, value, key]
        mask = [mask, fixed.get("key_mask")]
    if case.parts and layer.built:
        return {"output": _call_parts(case, layer, inputs, mask)}
    results = layer(
        inputs,
        mask=mask,
        attention_mask=fixed.get("pairs"),
        attention_bias=floats.get("bias"),
        use_causal_mask=case.causal,
        return_attention_scores=case.return_weights,
        training=case.dropout,
    )
    results = results if case.return_weights else (results,)
    return dict(zip(("output", "weights"), results, strict=False))


def _call_parts(case, layer, inputs, mask):
    cache, outputs, first = layer.get_initial_cache(len(inputs), case.keys + 1), [], 0
    for part in case.parts:
        end = first + part
        part_mask = None if mask is None else mask[:, first:end]
        output, cache = layer(inputs[:, first:end], mask=part_mask, cache=cache)
        outputs.append(output)
        first = end
    return ops.concatenate(outputs, axis=1)


def evaluate(case, floats, fixed, weights, keep, visible):
    """Return the equations' outputs, and where weights and outputs must be zero."""
    value = floats["value"]
    query = floats.get("query", value)
    query = query[:, None] if query.ndim == 2 else query
    pairs = equations.pair_up(weights, case.use_bias)
    base = BASE if case.rotary else None
    if case.parts:
        real = fixed.get("query_mask", np.ones(value.shape[:2], bool))

        def attend(x, b):
            order = visible_pairs(1, x.shape[1], x.shape[1], causal=True, window=case.window)
            return equations.multi_head(x, x, x, pairs, case.heads, case.groups, order, base)[0]

        return {"output": equations.cached(value, real, attend), "zero": ~real}
    bias = floats.get("bias")
    if bias is not None:
        bias = bias[..., None, :] if case.inputs == "single" and bias.ndim > 1 else bias
        bias = np.broadcast_to(bias, (case.batch, case.heads, case.queries, case.keys))
    output, rows, visible_by_head = equations.multi_head(
        query,
        value,
        floats.get("key", value),
        pairs,
        case.heads,
        case.groups,
        visible,
        base,
        bias,
        None if keep is None else keep / (1 - RATE),
        fixed.get("round"),
    )
    is_single = case.inputs == "single"
    results = {"output": output[:, 0] if is_single else output}
    zero = ~visible_by_head.any(axis=(1, 3))
    results["zero"] = zero[:, 0] if is_single else zero
    if case.return_weights:
        results["visible"] = visible_by_head[:, :, 0] if is_single else visible_by_head
        results["weights"] = rows[:, :, 0] if is_single else rows
    return results
