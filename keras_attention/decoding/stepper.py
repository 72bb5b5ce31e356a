"""The user's step as a loop sees it: flat state in and out, log-probabilities in float32."""

import keras
from keras import ops

from keras_attention.decoding.arguments import compatible, tensor
from keras_attention.decoding.decoded import IMPOSSIBLE, LOWEST


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
        logits, new_state, alignment = _three(step(tokens, state, memory))
        rows = tokens.shape[0]
        return (
            _log_probabilities(logits, rows),
            _new_leaves(structure, new_state, leaves),
            _recorded(alignment, memory_mask, rows),
        )

    return advance


def _three(result):
    """What the step returned, if it is three things."""
    if not isinstance(result, tuple | list) or len(result) != 3:
        size = f" of {len(result)}" if isinstance(result, tuple | list) else ""
        raise ValueError(
            "Expected `step` to return (logits, state, alignment), the alignment None where there "
            f"is none. Received: {type(result).__name__}{size}"
        )
    return result


def _new_leaves(structure, new_state, leaves):
    """The leaves of the step's state, each in the place that it has in `structure`.

    A leaf's path is made of keys and indices: a tuple may come back as a list, but not a dict with
    other keys, whose leaves would else take each other's places.
    """
    paths = [path for path, _ in keras.tree.flatten_with_path(structure)]
    found = dict(keras.tree.flatten_with_path(new_state))
    if found.keys() != set(paths):
        raise ValueError(
            "Expected `step` to return a state of the structure that it was given, tensors at "
            f"{paths}. Received: a state of {len(found)} tensors, at {list(found)}"
        )
    return [_like(found[path], old) for path, old in zip(paths, leaves, strict=True)]


def _like(new, old):
    """Gives `new` the dtype and static shape of `old`, which a loop's variable has to keep."""
    new = tensor("every leaf of the state that `step` returns", new)
    if not compatible(new.shape, old.shape):
        raise ValueError(
            "Expected `step` to return a state of the shapes it was given. "
            f"Received: shape {tuple(new.shape)} in place of {tuple(old.shape)}"
        )
    dtype = keras.backend.standardize_dtype(old.dtype)
    return ops.reshape(ops.cast(new, dtype), ops.shape(old))


def _log_probabilities(logits, rows):
    """Log-softmax without NaN: such a logit is impossible, and where all are, so is every token."""
    logits = tensor("the logits that `step` returns", logits)
    if not compatible(logits.shape, (rows, None)):
        raise ValueError(
            f"Expected `step` to return logits of shape (rows, vocabulary) = ({rows}, any). "
            f"Received: logits of shape {tuple(logits.shape)}"
        )
    logits = ops.nan_to_num(
        ops.cast(logits, "float32"), nan=IMPOSSIBLE, posinf=-LOWEST, neginf=IMPOSSIBLE
    )
    dead_end = ops.max(logits, axis=-1, keepdims=True) == IMPOSSIBLE
    return ops.where(dead_end, IMPOSSIBLE, ops.log_softmax(logits, axis=-1))


def _recorded(alignment, memory_mask, rows):
    """The alignment in float32 if a mask asks for it, else `()`."""
    if memory_mask is None:
        return ()
    if alignment is None:
        raise ValueError(
            "Expected `step` to return an alignment, as `memory_mask` was given. "
            "Received: alignment=None"
        )
    alignment = tensor("the alignment that `step` returns", alignment)
    expected = (rows, memory_mask.shape[1])
    if not compatible(alignment.shape, expected):
        raise ValueError(
            f"Expected `step` to return an alignment of shape (rows, source length) = {expected}, "
            f"as long as `memory_mask`. Received: alignment of shape {tuple(alignment.shape)}"
        )
    return ops.cast(alignment, "float32")
