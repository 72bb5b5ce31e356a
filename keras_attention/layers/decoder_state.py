"""What an attention decoder carries from step to step."""

import collections

from keras import ops, tree

from keras_attention.layers.recurrent_cell import first_state, pack_state

DecoderState = collections.namedtuple("DecoderState", ["cell", "attention"])
DecoderState.__doc__ = """What an `AttentionDecoder` carries from step to step.

    cell: the cell's states, nested as the cell nests them; attention: what the last step read,
    `(batch, width)`, with input feeding, else an empty tuple.
"""


def first_decoder_state(cell, batch_size, given, fed_size, dtype):
    """The `DecoderState` before the first step.

    Args:
        cell: The recurrent cell.
        batch_size: An int or a scalar tensor.
        given: The cell's states, nested in any way, and behind them, with input feeding, perhaps
            what was read (a `DecoderState`, or the list that saving makes of one); or None.
        fed_size: Width of what input feeding appends; 0 without it.
        dtype: dtype of what input feeding appends.

    Raises:
        ValueError: If the states are not of the cell's number and widths.
    """
    states = [] if given is None else tree.flatten(given)
    fed = ()
    if fed_size:
        has_read = len(states) == len(tree.flatten(cell.state_size)) + 1
        fed = (
            ops.cast(states.pop(), dtype) if has_read else ops.zeros((batch_size, fed_size), dtype)
        )
    if not states:
        return DecoderState(first_state(cell, batch_size), fed)
    return DecoderState(pack_state(cell, states, cell.compute_dtype), fed)
