"""A loop over the time axis of a padded batch: padded steps keep the state and output zeros."""

from keras import ops, tree

from keras_attention.kernels import scan


def masked_scan(step, state, sequences, mask, dtypes):
    """Run `outputs, state = step(state, *inputs of one step)` along axis 1.

    Args:
        step: Function of the state and of one step of each sequence `(batch, ...)`, which returns
            a tuple of outputs `(batch, width)` and the next state.
        state: Nest of tensors `(batch, ...)`.
        sequences: List whose entries are nests of tensors `(batch, T, ...)`, or None.
        mask: Bool `(batch, T)`, True = a real step; or None.
        dtypes: The outputs' dtypes.

    Returns:
        Tuple of outputs `(batch, T, width)`, and the state after each row's last real step.
    """
    inputs = [*sequences, mask]
    leaves = tree.flatten(inputs)  # an absent sequence or mask is a leaf of None

    def masked_step(state, step_leaves):
        step_leaves = iter(step_leaves)
        *step_inputs, is_real = tree.pack_sequence_as(
            inputs, [None if x is None else next(step_leaves) for x in leaves]
        )
        outputs, next_state = step(state, *step_inputs)
        if is_real is not None:
            next_state = tree.map_structure(
                lambda new, old: ops.where(_expand_like(is_real, new), new, old), next_state, state
            )
            outputs = tuple(
                ops.where(_expand_like(is_real, x), x, ops.zeros_like(x)) for x in outputs
            )
        return next_state, outputs

    time_major = [ops.swapaxes(x, 0, 1) for x in leaves if x is not None]
    state, outputs = scan(masked_step, state, time_major, tuple(dtypes))
    return tuple(ops.swapaxes(x, 0, 1) for x in outputs), state


def _expand_like(mask, x):
    return ops.reshape(mask, (-1, *[1] * (len(x.shape) - 1)))
