"""Call a query/value layer, and evaluate its equations."""

import numpy as np

from tests.fuzz.families.dropout import RATE
from tests.fuzz.references import query_value as equations
from tests.fuzz.strategies.axes import merge_batches, split_batches


def call(case, layer, floats, fixed):
    """Return the layer's outputs."""
    floats, fixed = (split_batches(case, arrays) for arrays in (floats, fixed))
    value, query, key = floats["value"], floats.get("query"), floats.get("key")
    masks_of = [fixed.get("query_mask"), fixed.get("key_mask")]
    if case.inputs == "self":
        inputs, mask = value, masks_of[0]
    else:
        inputs = [query, value] if key is None else [query, value, key]
        mask = masks_of
    results = layer(
        inputs,
        mask=mask,
        attention_mask=fixed.get("pairs"),
        use_causal_mask=case.causal,
        return_attention_scores=case.return_weights,
        training=case.dropout,
    )
    results = results if case.return_weights else (results,)
    return merge_batches(case, dict(zip(("output", "weights"), results, strict=False)))


def evaluate(case, floats, weights, keep, visible, query_mask):
    """Return the equations' outputs, and where weights and outputs must be zero."""
    value = floats["value"]
    query = floats.get("query", value)
    query = query[:, None] if query.ndim == 2 else query
    key = floats.get("key", value)
    weights = list(weights)
    has_vector = case.layer == "luong" and case.units is not None
    kernel = weights.pop(0) if has_vector else None
    if keep is not None:
        keep = keep[:, 0] / (1 - RATE)
    outputs, rows = equations.attend(
        lambda q, k: equations.SCORES[case.score](q, k, *weights),
        equations.WEIGH[case.normalize],
        query,
        value,
        key,
        visible,
        keep,
    )
    zero = ~visible.any(-1)
    if has_vector:
        outputs = equations.luong_vectors(outputs, query, kernel)
        zero = np.zeros_like(zero) if query_mask is None else ~query_mask
    outputs = equations.zero_rows(outputs, query_mask)
    if case.score == "location":
        visible = visible & (np.arange(case.keys) < 4)
        zero = zero if has_vector else ~visible.any(-1)
    if case.layer == "hard":  # the weights are those of the softmax, the context is the mode's
        _, rows = equations.attend(
            lambda q, k: equations.SCORES[case.score](q, k, *weights),
            equations.WEIGH["softmax"],
            query,
            value,
            key,
            visible,
        )
    results = {"output": outputs, "zero": zero, "visible": visible}
    if case.return_weights:
        results["weights"] = rows
    if case.inputs == "single":
        results = {k: v[:, 0] for k, v in results.items()}
    return results
