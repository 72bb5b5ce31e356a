"""The state that an attention decoder passes from step to step."""

import collections

from keras import ops, tree

from keras_attention.layers.recurrent.cell_adapter import initial_state, pack_state

DecoderState = collections.namedtuple("DecoderState", ["cell", "attention", "position"])
DecoderState.__doc__ = """The state that an `AttentionDecoder` passes from step to step.

    cell: the cell's states, nested as the cell nests them; attention: with input feeding, the
    attention layer's last output `(batch, width)`, otherwise an empty tuple; position: the number
    of real steps so far, int32 `(batch,)`.
"""


def initial_decoder_state(cell, batch_size, state, fed_size, dtype):
    """Return the `DecoderState` before the first step.

    Args:
        cell: The recurrent cell.
        batch_size: An int or a scalar tensor.
        state: The cell's states, nested in any way; or a `DecoderState`, or the list into which
            saving converts one; or None.
        fed_size: Width of the output that input feeding appends; 0 without input feeding.
        dtype: Dtype of the output that input feeding appends.

    Raises:
        ValueError: If the states do not match the cell's states in number or width.
    """
    states = [] if state is None else tree.flatten(state)
    fed = ops.zeros((batch_size, fed_size), dtype) if fed_size else ()
    position = ops.zeros((batch_size,), "int32")
    count = len(tree.flatten(cell.state_size)) + (2 if fed_size else 1)
    if len(states) == count and len(states[-1].shape) == 1:  # a cell's states have rank 2
        position = ops.cast(states.pop(), "int32")
        fed = ops.cast(states.pop(), dtype) if fed_size else ()
    packed = pack_state(cell, states, cell.compute_dtype) if states else None
    return DecoderState(packed or initial_state(cell, batch_size), fed, position)
