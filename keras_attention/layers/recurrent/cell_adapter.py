"""A uniform interface to Keras recurrent cells for loops: states, outputs, dropout."""

import contextlib
import contextvars

import keras
from keras import ops, tree


def check_cell(name, cell, expected="a Keras recurrent cell"):
    """Return `cell` if it is a Keras recurrent cell.

    Args:
        name: Name of the argument, for the error message.
        cell: Value of the argument.
        expected: Description of the allowed values, for the error message.

    Raises:
        ValueError: If it is anything else, including an `RNN` layer.
    """
    is_cell = isinstance(cell, keras.layers.Layer) and hasattr(cell, "state_size")
    if not is_cell or isinstance(cell, keras.layers.RNN):
        raise ValueError(f"Expected `{name}` to be {expected}. Received: {name}={cell!r}")
    return cell


def pack_state(cell, state, dtype=None, name="state", batch=None):
    """Return `state`, nested in any way, as the nested list that the cell expects.

    Args:
        cell: The recurrent cell.
        state: Nest of tensors.
        dtype: Dtype to cast to; None = no cast.
        name: As in `check_state`.
        batch: As in `check_state`.

    Raises:
        ValueError: As in `check_state`.
    """
    structure = _to_lists(cell.state_size if tree.is_nested(cell.state_size) else [cell.state_size])
    tensors = check_state(cell, state, name, batch)
    if dtype is not None:
        tensors = [ops.cast(x, dtype) for x in tensors]
    return tree.pack_sequence_as(structure, tensors)


def check_state(cell, state, name="state", batch=None):
    """Return the tensors of a cell's `state`, which may be symbolic, as a flat list.

    Args:
        cell: The recurrent cell.
        state: Nest of tensors.
        name: Name of the argument, for errors.
        batch: Batch size that the tensors must have; None = unknown.

    Raises:
        ValueError: If the tensors do not match the cell's states in number, width or batch size.
    """
    tensors, sizes = tree.flatten(state), tree.flatten(cell.state_size)
    if len(tensors) != len(sizes):
        raise ValueError(
            f"Expected `{name}` of {len(sizes)} tensors for {type(cell).__name__}. "
            f"Received: {name} of {len(tensors)} tensors"
        )
    shapes = [tuple(x.shape) if hasattr(x, "shape") else x for x in tensors]
    if not all(_is_state(*pair, batch) for pair in zip(shapes, sizes, strict=True)):
        raise ValueError(
            f"Expected `{name}` of shapes (batch, n) with n = {sizes} for {type(cell).__name__}, "
            f"batch = {batch}. Received: {name} of {shapes}"
        )
    return tensors


def _is_state(shape, size, batch):
    if not isinstance(shape, tuple) or len(shape) != 2 or shape[1] != size:
        return False
    return None in (shape[0], batch) or shape[0] == batch


def _to_lists(nested):
    """Convert the tracking lists in layers to plain lists, because only those are trees in JAX."""
    return [_to_lists(x) for x in nested] if tree.is_nested(nested) else nested


def initial_state(cell, batch_size):
    """Return the cell's own initial state, or zeros if it does not define one."""
    if hasattr(cell, "get_initial_state"):
        return pack_state(cell, cell.get_initial_state(batch_size=batch_size))
    sizes = tree.flatten(cell.state_size)
    return pack_state(cell, [ops.zeros((batch_size, n), cell.compute_dtype) for n in sizes])


def state_spec(cell, batch_size):
    """Return symbolic tensors with the shapes of the cell's states."""
    sizes = tree.flatten(cell.state_size)
    return pack_state(
        cell, [keras.KerasTensor((batch_size, n), dtype=cell.compute_dtype) for n in sizes]
    )


def hidden_state(cell, state):
    """Return the cell's first state, e.g. h of an LSTM; of a stack, that of its top cell.

    Results that the cell appends to it, such as weights, are cut off: see `select_query`.
    """
    if isinstance(cell, keras.layers.StackedRNNCells):
        return hidden_state(cell.cells[-1], state[-1])
    return select_query(cell, tree.flatten(state)[0])


def select_query(cell, output):
    """Return the part of an output that is a query: its first `query_size` features.

    A cell has a `query_size` if it appends results such as weights to its output.
    """
    if isinstance(cell, keras.layers.StackedRNNCells):
        return select_query(cell.cells[-1], output)
    size = getattr(cell, "query_size", None)
    return output if size is None else output[..., :size]


def hidden_size(cell):
    """Return the width of `hidden_state`. The cell's output may have another width."""
    if isinstance(cell, keras.layers.StackedRNNCells):
        return hidden_size(cell.cells[-1])
    size = getattr(cell, "query_size", None)
    return tree.flatten(cell.state_size)[0] if size is None else size


def output_size(cell):
    """Return the width of the cell's output."""
    if isinstance(cell, keras.layers.StackedRNNCells):
        return output_size(cell.cells[-1])
    size = getattr(cell, "output_size", None)
    return hidden_size(cell) if size is None else size


def output_query_size(cell):
    """Return how many of the first features of the cell's output are a query."""
    if isinstance(cell, keras.layers.StackedRNNCells):
        return output_query_size(cell.cells[-1])
    size = getattr(cell, "query_size", None)
    return output_size(cell) if size is None else size


def nested_cells(cell):
    """Return the cell and all cells inside it, at any depth, in a stack or in a custom cell."""
    cells, visited, remaining = [], set(), [cell]
    while remaining:
        x = remaining.pop()
        if id(x) in visited or not isinstance(x, (dict, list, tuple, keras.layers.Layer)):
            continue
        visited.add(id(x))
        if isinstance(x, dict):
            remaining.extend(x.values())
        elif isinstance(x, (list, tuple)):
            remaining.extend(x)
        else:
            remaining.extend(vars(x).values())
            if hasattr(x, "state_size"):
                cells.append(x)
    return cells


def has_dropout(cell):
    """Return whether the cell or a cell inside it has dropout."""
    cells = [c for c in nested_cells(cell) if hasattr(c, "reset_dropout_mask")]
    return any(getattr(c, name, 0) for c in cells for name in ("dropout", "recurrent_dropout"))


_masks_are_fixed = contextvars.ContextVar("dropout_masks_are_fixed", default=False)


def has_fixed_dropout_masks():
    """Return whether the current code runs within `fixed_dropout_masks`."""
    return _masks_are_fixed.get()


@contextlib.contextmanager
def fixed_dropout_masks(cell, inputs, state, training):
    """Context manager in which the cell uses the same dropout masks at all steps.

    Keras cells sample their masks at their first step in training, and keep them until they are
    reset. A mask that was sampled inside a compiled loop could not be used outside of it. Therefore
    one step, whose result is discarded, samples the masks first. Outside of training nothing is
    sampled.

    Args:
        cell: The recurrent cell.
        inputs: Inputs of one step; only their shape is used.
        state: The cell's state.
        training: Whether the cell applies dropout.
    """
    cells = [c for c in nested_cells(cell) if hasattr(c, "reset_dropout_mask")]
    token = _masks_are_fixed.set(True)
    try:
        if training and has_dropout(cell):
            cell(inputs, state)
        yield
    finally:
        _masks_are_fixed.reset(token)
        for c in cells:
            c.reset_dropout_mask()
            c.reset_recurrent_dropout_mask()
