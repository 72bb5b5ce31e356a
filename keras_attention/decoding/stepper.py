"""The user's step as a loop sees it: flat state in and out, log-probabilities in float32."""

import keras
from keras import ops

from keras_attention.decoding.decoded import IMPOSSIBLE


def stepper(step, structure, memory, memory_mask):
    """Wraps the user's step.

    Args:
        step: Callable `(tokens, state, memory) -> (logits, state, alignment)`.
        structure: The nest that the step's `state` shall be.
        memory: The nest given to every call, as it is.
        memory_mask: Bool `(batch, S)`, or None to drop the step's alignments.

    Returns:
        A function of the tokens `(N,)` and the list of the state's leaves, which returns
        log-probabilities `(N, V)` float32, the list of new leaves, and the alignment `(N, S)`
        float32 or `()`.
    """
    if not callable(step):
        raise ValueError(f"Expected `step` to be callable. Received: step={step!r}")

    def advance(tokens, leaves):
        state = keras.tree.pack_sequence_as(structure, leaves)
        logits, new_state, alignment = step(tokens, state, memory)
        new_leaves = keras.tree.flatten(new_state)
        if len(new_leaves) != len(leaves):
            raise ValueError(
                f"Expected `step` to return a state of {len(leaves)} tensors, like the one it was "
                f"given. Received: a state of {len(new_leaves)}"
            )
        new_leaves = [_like(new, old) for new, old in zip(new_leaves, leaves, strict=True)]
        return _log_probabilities(logits), new_leaves, _recorded(alignment, memory_mask)

    return advance


def _like(new, old):
    """Gives `new` the dtype and static shape of `old`, which a loop's variable has to keep."""
    new = ops.convert_to_tensor(new)
    if not _compatible(new.shape, old.shape):
        raise ValueError(
            "Expected `step` to return a state of the shapes it was given. "
            f"Received: shape {tuple(new.shape)} in place of {tuple(old.shape)}"
        )
    dtype = keras.backend.standardize_dtype(old.dtype)
    return ops.reshape(ops.cast(new, dtype), ops.shape(old))


def _compatible(shape, other):
    """Whether two static shapes, which may hold None, can be the same at run time."""
    shape, other = tuple(shape), tuple(other)
    return len(shape) == len(other) and all(
        a == b or None in (a, b) for a, b in zip(shape, other, strict=True)
    )


def _log_probabilities(logits):
    """Log-softmax; where no token is possible, none is likely either (and not NaN)."""
    logits = ops.convert_to_tensor(logits)
    if len(logits.shape) != 2:
        raise ValueError(
            "Expected `step` to return logits of shape (rows, vocabulary). "
            f"Received: logits of shape {tuple(logits.shape)}"
        )
    logits = ops.cast(logits, "float32")
    dead_end = ops.max(logits, axis=-1, keepdims=True) == IMPOSSIBLE
    return ops.where(dead_end, IMPOSSIBLE, ops.log_softmax(logits, axis=-1))


def _recorded(alignment, memory_mask):
    """The alignment in float32 if a mask asks for it, else `()`."""
    if memory_mask is None:
        return ()
    if alignment is None:
        raise ValueError(
            "Expected `step` to return an alignment, as `memory_mask` was given. "
            "Received: alignment=None"
        )
    alignment = ops.convert_to_tensor(alignment)
    if not _compatible(alignment.shape, (None, memory_mask.shape[1])):
        raise ValueError(
            f"Expected `step` to return an alignment of shape (rows, {memory_mask.shape[1]}), as "
            f"long as `memory_mask`. Received: alignment of shape {tuple(alignment.shape)}"
        )
    return ops.cast(alignment, "float32")
