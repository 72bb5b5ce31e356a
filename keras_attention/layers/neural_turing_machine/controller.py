"""What reads the inputs and steers the heads of a Neural Turing Machine."""

import keras
from keras import ops, tree

from keras_attention import arguments
from keras_attention.layers.recurrent.cell_adapter import check_cell, output_size, pack_state

USUAL_UNITS = 100


def make_controller(controller, units, kernel_initializer, dtype):
    """The layer that a name stands for, or the recurrent cell that is given.

    Raises:
        ValueError: If it is neither, if a cell comes with `units` or drops out.
    """
    units = arguments.positive_integer("controller_units", units, optional=True)
    if isinstance(controller, str):
        arguments.one_of("controller", controller, ("lstm", "feedforward"))
        options = {"kernel_initializer": kernel_initializer, "dtype": dtype, "name": "controller"}
        if controller == "lstm":
            return keras.layers.LSTMCell(units or USUAL_UNITS, **options)
        return keras.layers.Dense(units or USUAL_UNITS, activation="tanh", **options)
    check_cell("controller", controller, "'lstm', 'feedforward' or a Keras recurrent cell")
    if units is not None:
        raise ValueError(
            "Expected `controller_units` with a controller given by name only: a cell has its "
            f"own. Received: controller={controller!r}, controller_units={units}"
        )
    for cell in getattr(controller, "cells", [controller]):
        if getattr(cell, "dropout", 0) or getattr(cell, "recurrent_dropout", 0):
            raise ValueError(
                "Expected a `controller` without dropout: the loop around the cell draws none "
                f"for a cell inside of it. Received: controller={controller!r}"
            )
    return controller


def state_sizes(controller):
    """Widths of the controller's states; none of a feed-forward one."""
    return tree.flatten(getattr(controller, "state_size", []))


def control_width(controller):
    """Width of what the controller puts out."""
    is_cell = hasattr(controller, "state_size")
    return output_size(controller) if is_cell else controller.units


def control(controller, inputs, states, dtype):
    """One step: what the controller puts out `(batch, control_width)`, and its next states."""
    if not states:
        return controller(inputs), []
    output, states = controller(inputs, pack_state(controller, states))
    return ops.cast(output, dtype), [ops.cast(state, dtype) for state in tree.flatten(states)]
