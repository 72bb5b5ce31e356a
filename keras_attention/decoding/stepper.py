"""The user's step function, wrapped for a loop: flat state, checked results, log-probabilities."""

import keras
from keras import ops

from keras_attention.decoding.arguments import are_compatible, to_tensor
from keras_attention.decoding.decoded import IMPOSSIBLE_SCORE, MIN_SCORE


def wrap_step(step, structure, memory, memory_mask):
    """Wrap the user's step function for a loop.

    Args:
        step: Callable `(tokens, state, memory) -> (logits, state, alignment)`.
        structure: A nest with the structure of the step's `state`.
        memory: The nest that is passed to every call.
        memory_mask: Bool `(batch, S)`, or None to discard the step's alignments.

    Returns:
        A function `(tokens, leaves) -> (log_probabilities, new_leaves, alignment)`: tokens `(N,)`;
        leaves and new leaves are lists of the tensors of the state; log-probabilities `(N, V)`
        float32; alignment `(N, S)` float32, or `()` without a `memory_mask`.
    """
    if not callable(step):
        raise ValueError(f"Expected `step` to be callable. Received: step={step!r}")

    def advance(tokens, leaves):
        state = keras.tree.pack_sequence_as(structure, leaves)
        logits, new_state, alignment = _unpack_result(step(tokens, state, memory))
        rows = tokens.shape[0]
        return (
            _to_log_probabilities(logits, rows),
            _flatten_new_state(structure, new_state, leaves),
            _to_alignment(alignment, memory_mask, rows),
        )

    return advance


def _unpack_result(result):
    """Return the step's result; raise a ValueError unless it has three parts."""
    if not isinstance(result, tuple | list) or len(result) != 3:
        size = f" of {len(result)}" if isinstance(result, tuple | list) else ""
        raise ValueError(
            "Expected `step` to return (logits, state, alignment), with an alignment of None if it "
            f"has none. Received: {type(result).__name__}{size}"
        )
    return result


def _flatten_new_state(structure, new_state, leaves):
    """Return the leaves of the step's new state, in the order of `structure`.

    Leaves are matched by their paths of keys and indices. A tuple may be returned as a list, but a
    dict with other keys is an error, because its leaves would be assigned in the wrong order.
    """
    paths = [path for path, _ in keras.tree.flatten_with_path(structure)]
    new_leaves = dict(keras.tree.flatten_with_path(new_state))
    if new_leaves.keys() != set(paths):
        raise ValueError(
            "Expected `step` to return a state of the same structure as its argument, tensors at "
            f"{paths}. Received: a state of {len(new_leaves)} tensors, at {list(new_leaves)}"
        )
    return [_match_spec(new_leaves[path], old) for path, old in zip(paths, leaves, strict=True)]


def _match_spec(new, old):
    """Return `new` with the dtype and static shape of `old`, as loop variables require."""
    new = to_tensor("every leaf of the state that `step` returns", new)
    if not are_compatible(new.shape, old.shape):
        raise ValueError(
            "Expected `step` to return a state of the same shapes as its argument. "
            f"Received: shape {tuple(new.shape)} in place of {tuple(old.shape)}"
        )
    dtype = keras.backend.standardize_dtype(old.dtype)
    return ops.reshape(ops.cast(new, dtype), ops.shape(old))


def _to_log_probabilities(logits, rows):
    """Return the log-softmax; NaN logits count as -inf, and rows of only -inf stay -inf."""
    logits = to_tensor("the logits that `step` returns", logits)
    if not are_compatible(logits.shape, (rows, None)):
        raise ValueError(
            f"Expected `step` to return logits of shape (rows, vocabulary) = ({rows}, any). "
            f"Received: logits of shape {tuple(logits.shape)}"
        )
    # Few operations: in a graph without XLA each one is a pass over the whole vocabulary.
    logits = ops.cast(logits, "float32")
    logits = ops.minimum(ops.where(ops.isnan(logits), IMPOSSIBLE_SCORE, logits), -MIN_SCORE)
    is_dead_end = ops.max(logits, axis=-1, keepdims=True) == IMPOSSIBLE_SCORE
    return ops.where(is_dead_end, IMPOSSIBLE_SCORE, ops.log_softmax(logits, axis=-1))


def _to_alignment(alignment, memory_mask, rows):
    """Return the alignment in float32, or `()` without a `memory_mask`."""
    if memory_mask is None:
        return ()
    if alignment is None:
        raise ValueError(
            "Expected `step` to return an alignment, because `memory_mask` is given. "
            "Received: alignment=None"
        )
    alignment = to_tensor("the alignment that `step` returns", alignment)
    expected = (rows, memory_mask.shape[1])
    if not are_compatible(alignment.shape, expected):
        raise ValueError(
            f"Expected `step` to return an alignment of shape (rows, source length) = {expected}, "
            f"as long as `memory_mask`. Received: alignment of shape {tuple(alignment.shape)}"
        )
    return ops.cast(alignment, "float32")
