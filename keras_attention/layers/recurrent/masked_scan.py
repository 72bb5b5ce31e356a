"""A step run over the time axis of a padded batch: padded steps freeze the state and give zeros."""

from keras import ops, tree

from keras_attention.kernels import scan


def over_time(step, state, sequences, mask, dtypes):
    """Runs `outputs, state = step(state, *inputs of one step)` along axis 1.

    Args:
        step: Function of the state and of one step of each sequence `(batch, ...)`, that returns
            a tuple of outputs `(batch, width)` and the next state.
        state: Nest of tensors `(batch, ...)`.
        sequences: List of nests of tensors `(batch, T, ...)` or None; a step gets its part of each.
        mask: Bool `(batch, T)`, True = a real step; or None.
        dtypes: The outputs' dtypes.

    Returns:
        Tuple of outputs `(batch, T, width)`, and the state after each row's last real step.
    """
    inputs = [*sequences, mask]
    leaves = tree.flatten(inputs)

    def masked_step(state, now):
        now = iter(now)
        *given, real = tree.pack_sequence_as(
            inputs, [None if x is None else next(now) for x in leaves]
        )
        outputs, following = step(state, *given)
        if real is not None:
            following = tree.map_structure(
                lambda new, old: ops.where(_like(real, new), new, old), following, state
            )
            outputs = tuple(ops.where(_like(real, x), x, ops.zeros_like(x)) for x in outputs)
        return following, outputs

    time_major = [ops.swapaxes(x, 0, 1) for x in leaves if x is not None]
    state, outputs = scan(masked_step, state, time_major, tuple(dtypes))
    return tuple(ops.swapaxes(x, 0, 1) for x in outputs), state


def _like(mask, x):
    return ops.reshape(mask, (-1, *[1] * (len(x.shape) - 1)))
