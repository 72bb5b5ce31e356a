"""Run a layer that loops over time step by step, in Python."""

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import keras
from keras import ops, tree

from keras_attention.types import Tensor


def run_steps(layer: Any, args: tuple, kwargs: dict) -> Iterator[tuple[int, Tensor | None]]:
    """Call the layer inside a looping layer for one step after another.

    A backend may compile the loop, and then nobody can observe its calls. The steps here compute
    the same numbers.

    Args:
        layer: A `keras.layers.TimeDistributed` or `keras.layers.RNN`.
        args: Positional arguments of its call.
        kwargs: The other arguments.

    Returns:
        An iterator. After each step, it yields the step's index in the inputs, and the bool mask
        `(batch,)` of the rows for which it is a real step, or None if it is for all.
    """
    run = _run_cell if isinstance(layer, keras.layers.RNN) else _run_slices
    bound = inspect.signature(type(layer).call).bind(layer, *args, **kwargs)
    return run(**{"layer" if name == "self" else name: x for name, x in bound.arguments.items()})


def _run_slices(layer, inputs, training=None, mask=None):
    for index in range(inputs.shape[1]):
        options = {"mask": None if mask is None else mask[:, index], "training": False}
        options = _select_options(layer.layer.call, options)
        layer.layer.call(inputs[:, index], **options)  # as TimeDistributed does
        yield index, None


def _run_cell(layer, sequences, initial_state=None, mask=None, training=False):
    cell = layer.cell
    if initial_state is None:
        initial_state = layer.states if layer.stateful else None
    if initial_state is None:
        initial_state = layer.get_initial_state(ops.shape(sequences)[0])
    state = initial_state if tree.is_nested(initial_state) else [initial_state]
    state = tree.map_structure(lambda x: ops.convert_to_tensor(x, cell.compute_dtype), list(state))
    options = _select_options(cell.call, {"training": False})
    steps = range(sequences.shape[1])
    for index in reversed(steps) if layer.go_backwards else steps:
        _, next_state = cell(sequences[:, index], state, **options)
        step_mask = None if mask is None else ops.cast(mask[:, index], "bool")
        state = _select_state(step_mask, next_state, state)
        yield index, step_mask


def _select_options(call: Callable, options: dict) -> dict:
    """Return the options that a function has and that are not None."""
    parameters = inspect.signature(call).parameters
    return {name: x for name, x in options.items() if name in parameters and x is not None}


def _select_state(step_mask, next_state, state):
    """Return the next state of the rows that are not masked, and the old one of the others."""
    leaves, old_leaves = tree.flatten(next_state), tree.flatten(state)
    if step_mask is not None:
        leaves = [
            ops.where(ops.reshape(step_mask, (-1, *[1] * (len(new.shape) - 1))), new, old)
            for new, old in zip(leaves, old_leaves, strict=True)
        ]
    return tree.pack_sequence_as(state, leaves)
