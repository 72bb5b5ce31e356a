"""Layers of sequences that change the axis of steps, in loops over samples and sequences."""

import math

import numpy as np

from tests import reference_recurrent
from tests.fuzz.references import pooling
from tests.fuzz.references.query_value import SCORES, WEIGH, attend


def reduce_time(inputs, mask, factor):
    """Chan et al. (2015), equation 5: concatenate each `factor` steps; masked steps are zero.

    Args:
        inputs: `(batch, T, D)`.
        mask: Bool `(batch, T)`.
        factor: Number of steps in a group.

    Returns:
        `(batch, ceil(T / factor), factor * D)`, and the mask of the groups.
    """
    batch, length, width = inputs.shape
    groups = math.ceil(length / factor)
    outputs, is_real = np.zeros((batch, groups, factor * width)), np.zeros((batch, groups), bool)
    for b in range(batch):
        for j in range(length):
            if mask[b, j]:
                group, place = divmod(j, factor)
                outputs[b, group, place * width : (place + 1) * width] = inputs[b, j]
                is_real[b, group] = True
    return outputs, is_real


def run_gru(inputs, mask, weights):
    """Return all outputs of a GRU; a masked step repeats the output before it, at first zeros."""
    outputs = []
    for sequence, is_real in zip(inputs, mask, strict=True):
        state, rows = [np.zeros(weights[1].shape[0])], []
        for x, is_unmasked in zip(sequence, is_real, strict=True):
            if is_unmasked:
                _, state = reference_recurrent.gru(x, state, *weights)
            rows.append(state[0])
        outputs.append(rows)
    return np.array(outputs)


def apply(layer, inputs, mask, weights):
    """Return the output, its mask, and the weights or None, of all sequences of one sample.

    Args:
        layer: "pooling", "reduction", "attention", "states" or "last_state".
        inputs: `(S, T, D)`.
        mask: Bool `(S, T)`.
        weights: Those of the layer.
    """
    if layer == "pooling":
        outputs, rows = pooling.pool(inputs, mask, weights, WEIGH["softmax"])
        return outputs, mask.any(-1), rows
    if layer == "reduction":
        return *reduce_time(inputs, mask, 2), None
    if layer == "attention":
        visible = mask[:, :, None] & mask[:, None]
        outputs, rows = attend(
            lambda query, key: SCORES["additive"](query, key, *weights),
            WEIGH["softmax"],
            inputs,
            inputs,
            inputs,
            visible,
        )
        return outputs, mask, rows
    outputs = run_gru(inputs, mask, weights)
    return (outputs, mask, None) if layer == "states" else (outputs[:, -1], mask.any(-1), None)
