"""Any Keras recurrent cell as seen by a loop of our own: its states, its output, its dropout."""

import contextlib

import keras
from keras import ops, tree


def check_cell(name, cell, expected="a Keras recurrent cell"):
    """Returns `cell` if it is a Keras recurrent cell.

    Raises:
        ValueError: If it is anything else, a whole `RNN` layer included.
    """
    is_cell = isinstance(cell, keras.layers.Layer) and hasattr(cell, "state_size")
    if not is_cell or isinstance(cell, keras.layers.RNN):
        raise ValueError(f"Expected `{name}` to be {expected}. Received: {name}={cell!r}")
    return cell


def pack_state(cell, state, dtype=None):
    """`state`, nested in any way, as the nested list that the cell takes, in `dtype` if given.

    Raises:
        ValueError: If it has not as many tensors as the cell has states.
    """
    structure = _plain(cell.state_size if tree.is_nested(cell.state_size) else [cell.state_size])
    given, wanted = tree.flatten(state), tree.flatten(structure)
    if len(given) != len(wanted):
        raise ValueError(
            f"Expected a state of {len(wanted)} tensors for {type(cell).__name__}. "
            f"Received: {len(given)} tensors"
        )
    widths = [tuple(x.shape)[1:] for x in given if hasattr(x, "shape")]
    if any(width != (size,) for width, size in zip(widths, wanted, strict=False)):
        raise ValueError(
            f"Expected states of shapes (batch, n) with n = {wanted} for {type(cell).__name__}. "
            f"Received: {[tuple(x.shape) for x in given]}"
        )
    if dtype is not None:
        given = [ops.cast(x, dtype) for x in given]
    return tree.pack_sequence_as(structure, given)


def _plain(nested):
    """Lists in place of the tracking ones that layers keep: those are no trees to JAX."""
    return [_plain(x) for x in nested] if tree.is_nested(nested) else nested


def first_state(cell, batch_size):
    """The state that the cell starts with: its own choice, else zeros."""
    if hasattr(cell, "get_initial_state"):
        return pack_state(cell, cell.get_initial_state(batch_size=batch_size))
    sizes = tree.flatten(cell.state_size)
    return pack_state(cell, [ops.zeros((batch_size, n), cell.compute_dtype) for n in sizes])


def state_spec(cell, batch_size):
    """Symbolic tensors of the shapes of the cell's states."""
    sizes = tree.flatten(cell.state_size)
    return pack_state(
        cell, [keras.KerasTensor((batch_size, n), dtype=cell.compute_dtype) for n in sizes]
    )


def hidden_state(cell, state):
    """The state that is the cell's output of the step before: h of an LSTM, the top of a stack."""
    if isinstance(cell, keras.layers.StackedRNNCells):
        return hidden_state(cell.cells[-1], state[-1])
    return tree.flatten(state)[0]


def output_size(cell):
    """Width of the cell's output."""
    if isinstance(cell, keras.layers.StackedRNNCells):
        return output_size(cell.cells[-1])
    size = getattr(cell, "output_size", None)
    return tree.flatten(cell.state_size)[0] if size is None else size


@contextlib.contextmanager
def fixed_dropout_masks(cell, inputs, state, training):
    """Inside, the cell uses one dropout mask for all steps, drawn by a step that is thrown away.

    Only the shape of `inputs` counts; outside of training nothing is drawn.

    Keras cells draw their masks at the first step that they take in training and keep them until
    told to forget; drawn inside a compiled loop they could not leave it.
    """
    cells = getattr(cell, "cells", [cell])
    cells = [c for c in cells if hasattr(c, "reset_dropout_mask")]
    if training and any(c.dropout or c.recurrent_dropout for c in cells):
        cell(inputs, state)
    try:
        yield
    finally:
        for c in cells:
            c.reset_dropout_mask()
            c.reset_recurrent_dropout_mask()
