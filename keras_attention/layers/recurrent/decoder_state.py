"""The state that an attention decoder passes from step to step."""

import collections

from keras import ops, tree

from keras_attention.integers import to_int32
from keras_attention.layers.recurrent.cell_adapter import check_state, initial_state, pack_state
from keras_attention.mask.bool_mask import check_mask

DecoderState = collections.namedtuple("DecoderState", ["cell", "attention", "carry", "position"])
DecoderState.__doc__ = """The state that an `AttentionDecoder` passes from step to step.

    cell: the cell's states, nested as the cell nests them; attention: with input feeding, the
    attention layer's last output `(batch, width)`, otherwise an empty tuple; carry: what the
    attention layer passes to its next step, such as its last weights, an empty tuple for most
    layers; position: the number of real steps so far, int32 `(batch,)`.
"""


def initial_decoder_state(cell, batch_size, state, fed_size, dtype, carry_spec=(), get_carry=None):
    """Return the `DecoderState` before the first step.

    Args:
        cell: The recurrent cell.
        batch_size: An int or a scalar tensor.
        state: The cell's states, nested in any way; or a `DecoderState`, or the list into which
            saving converts one; or None.
        fed_size: Width of the output that input feeding appends; 0 without input feeding.
        dtype: Dtype of the output that input feeding appends.
        carry_spec: The attention layer's carry as a nest of `keras.KerasTensor`.
        get_carry: Function without arguments that returns the attention layer's initial carry. It
            is called unless `state` contains a carry.

    Raises:
        ValueError: As in `split_state`.
    """
    batch = batch_size if isinstance(batch_size, int) else None
    states, fed, carry, position = split_state(cell, state, fed_size, batch, carry_spec)
    if tree.flatten(carry_spec):
        carry = get_carry() if carry is None else carry
        carry = tree.map_structure(lambda x, spec: ops.cast(x, spec.dtype), carry, carry_spec)
    else:
        carry = ()
    if states is None:
        cell_state = initial_state(cell, batch_size)
    else:
        cell_state = pack_state(cell, states, cell.compute_dtype)
    if fed_size:
        fed = ops.zeros((batch_size, fed_size), dtype) if fed is None else ops.cast(fed, dtype)
    position = ops.zeros((batch_size,), "int32") if position is None else position
    return DecoderState(cell_state, fed if fed_size else (), carry, to_int32(position))


def split_state(cell, state, fed_size, batch=None, carry_spec=()):
    """Split an `initial_state`, which may be symbolic, into the parts of a `DecoderState`.

    Args:
        cell: The recurrent cell.
        state: As in `initial_decoder_state`.
        fed_size: As in `initial_decoder_state`.
        batch: Batch size that the tensors must have; None = unknown.
        carry_spec: As in `initial_decoder_state`.

    Returns:
        The cell's states as a flat list, the output that input feeding appends, the attention
        layer's carry, and the position; each None if `state` does not have it.

    Raises:
        ValueError: If the states do not match the cell's states in number, width or batch size.
    """
    if state is None:
        return None, None, None, None
    states, fed, carry, position = tree.flatten(state), None, None, None
    carry_specs = tree.flatten(carry_spec)
    count = len(tree.flatten(cell.state_size)) + len(carry_specs) + (2 if fed_size else 1)
    # A cell's states have rank 2, a position has rank 1.
    is_decoder_state = len(states) == count and len(getattr(states[-1], "shape", ())) == 1
    if is_decoder_state:
        position = states.pop()
        carries = [states.pop() for _ in carry_specs][::-1]
        for x, spec in zip(carries, carry_specs, strict=True):
            check_mask("initial_state", x, (batch, *spec.shape[1:]))
        carry = tree.pack_sequence_as(carry_spec, carries)
        fed = states.pop() if fed_size else None
    for x, shape in ((position, (batch,)), (fed, (batch, fed_size))):
        if x is not None:
            check_mask("initial_state", x, shape)
    return check_state(cell, states, "initial_state", batch), fed, carry, position
