"""The state that an attention decoder passes from step to step."""

import collections

from keras import ops, tree

from keras_attention.layers.recurrent.cell_adapter import check_state, initial_state, pack_state
from keras_attention.mask.bool_mask import check_mask

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
        ValueError: As in `split_state`.
    """
    batch = batch_size if isinstance(batch_size, int) else None
    states, fed, position = split_state(cell, state, fed_size, batch)
    if states is None:
        cell_state = initial_state(cell, batch_size)
    else:
        cell_state = pack_state(cell, states, cell.compute_dtype)
    if fed_size:
        fed = ops.zeros((batch_size, fed_size), dtype) if fed is None else ops.cast(fed, dtype)
    position = ops.zeros((batch_size,), "int32") if position is None else position
    return DecoderState(cell_state, fed if fed_size else (), ops.cast(position, "int32"))


def split_state(cell, state, fed_size, batch=None):
    """Split an `initial_state`, which may be symbolic, into the parts of a `DecoderState`.

    Args:
        cell: The recurrent cell.
        state: As in `initial_decoder_state`.
        fed_size: As in `initial_decoder_state`.
        batch: Batch size that the tensors must have; None = unknown.

    Returns:
        The cell's states as a flat list, the output that input feeding appends, and the position;
        each None if `state` does not have it.

    Raises:
        ValueError: If the states do not match the cell's states in number, width or batch size.
    """
    if state is None:
        return None, None, None
    states, fed, position = tree.flatten(state), None, None
    count = len(tree.flatten(cell.state_size)) + (2 if fed_size else 1)
    # A cell's states have rank 2, a position has rank 1.
    is_decoder_state = len(states) == count and len(getattr(states[-1], "shape", ())) == 1
    if is_decoder_state:
        position = states.pop()
        fed = states.pop() if fed_size else None
    for x, shape in ((position, (batch,)), (fed, (batch, fed_size))):
        if x is not None:
            check_mask("initial_state", x, shape)
    return check_state(cell, states, "initial_state", batch), fed, position
