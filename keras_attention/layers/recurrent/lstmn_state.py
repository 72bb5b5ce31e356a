"""The state of an LSTMN cell, and the parts of its output."""

import collections

from keras import ops

LSTMNState = collections.namedtuple(
    "LSTMNState", ["output", "hidden", "cells", "keys", "summary", "step"]
)
LSTMNState.__doc__ = """The state of an LSTMN cell.

    output: the last output `(batch, output_size)`; it comes first because on JAX a
    `keras.layers.RNN` returns the first state as the output of a masked step. hidden, cells: the
    hidden states and cells of all past steps, `(batch, max_length, units)`, zero where no step is
    written yet; keys: the projected hidden states, `(batch, max_length, attention_units)`; summary:
    the weighted sum of the hidden states that the last step read, `(batch, units)`; step: the
    number of past steps `(batch, 1)`, float32 as all states.
"""

LSTMNSteps = collections.namedtuple("LSTMNSteps", ["outputs", "weights", "cells"])
LSTMNSteps.__doc__ = """The outputs of an LSTMN, step by step.

    outputs: the hidden states `(batch, T, units)`; weights: the weights of step t over the
    past steps, `(batch, T, max_length)`, or None if the cell does not return them; cells:
    `(batch, T, units)`, or None.
"""


def pack(state):
    """Return an `LSTMNState` as a list of states `(batch, n)`; `unpack` is the inverse."""
    return [
        x if len(x.shape) == 2 else ops.reshape(x, (-1, x.shape[-2] * x.shape[-1])) for x in state
    ]


def unpack(states, max_length):
    """Return the `LSTMNState` of a list of states `(batch, n)`."""
    output, hidden, cells, keys, summary, step = states

    def to_tape(x):
        return ops.reshape(x, (-1, max_length, x.shape[-1] // max_length))

    return LSTMNState(output, to_tape(hidden), to_tape(cells), to_tape(keys), summary, step)


def write(tape, row, step):
    """Write `row` (batch, width) into the tape at the step of each sample, unless it is full."""
    is_current = ops.equal(ops.arange(tape.shape[1], dtype=step.dtype), step)
    return ops.where(is_current[..., None], row[:, None], tape)


def split_steps(concatenated, units, max_length):
    """Split `(..., sum of the widths)` into `LSTMNSteps`.

    Args:
        concatenated: Outputs of the cell.
        units: Width of the hidden states, and of the cells if they are returned.
        max_length: Width of the weights, or 0 if they are not returned.
    """
    outputs = concatenated[..., :units]
    weights = concatenated[..., units : units + max_length] if max_length else None
    has_cells = concatenated.shape[-1] > units + max_length
    cells = concatenated[..., units + max_length :] if has_cells else None
    return LSTMNSteps(outputs, weights, cells)
