"""What an attention decoder carries from step to step."""

import collections

from keras import ops, tree

from keras_attention.layers.recurrent.cell_adapter import first_state, pack_state

DecoderState = collections.namedtuple("DecoderState", ["cell", "attention", "position"])
DecoderState.__doc__ = """What an `AttentionDecoder` carries from step to step.

    cell: the cell's states, nested as the cell nests them; attention: what the last step read,
    `(batch, width)`, with input feeding, else an empty tuple; position: how many real steps were
    taken, int32 `(batch,)`.
"""


def first_decoder_state(cell, batch_size, given, fed_size, dtype):
    """The `DecoderState` before the first step.

    Args:
        cell: The recurrent cell.
        batch_size: An int or a scalar tensor.
        given: The cell's states, nested in any way; or a `DecoderState`, or the list that saving
            makes of one; or None.
        fed_size: Width of what input feeding appends; 0 without it.
        dtype: dtype of what input feeding appends.

    Raises:
        ValueError: If the states are not of the cell's number and widths.
    """
    states = [] if given is None else tree.flatten(given)
    fed = ops.zeros((batch_size, fed_size), dtype) if fed_size else ()
    position = ops.zeros((batch_size,), "int32")
    whole = len(tree.flatten(cell.state_size)) + (2 if fed_size else 1)
    if len(states) == whole and len(states[-1].shape) == 1:  # a cell's state is of rank 2
        position = ops.cast(states.pop(), "int32")
        fed = ops.cast(states.pop(), dtype) if fed_size else ()
    packed = pack_state(cell, states, cell.compute_dtype) if states else None
    return DecoderState(packed or first_state(cell, batch_size), fed, position)
