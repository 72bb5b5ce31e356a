"""The controller of a Neural Turing Machine: the network that produces the heads' parameters."""

import keras
from keras import tree

from keras_attention import arguments
from keras_attention.layers.recurrent.cell_adapter import (
    check_cell,
    nested_cells,
    output_size,
    pack_state,
)
from keras_attention.precision import saturate_cast

DEFAULT_UNITS = 100


def make_controller(controller, units, kernel_initializer, dtype):
    """Return the layer for a controller's name, or the recurrent cell that was passed.

    Args:
        controller: "lstm", "feedforward" or a Keras recurrent cell.
        units: Width of a controller given by name, None = `DEFAULT_UNITS`; with a cell, None.
        kernel_initializer: Initializer of the kernels of a controller given by name.
        dtype: Dtype policy of a controller given by name.

    Raises:
        ValueError: If `controller` is anything else, if `units` is passed with a cell, or if the
            cell has dropout.
    """
    units = arguments.positive_integer("controller_units", units, optional=True)
    if isinstance(controller, str):
        arguments.one_of("controller", controller, ("lstm", "feedforward"))
        options = {"kernel_initializer": kernel_initializer, "dtype": dtype, "name": "controller"}
        if controller == "lstm":
            return keras.layers.LSTMCell(units or DEFAULT_UNITS, **options)
        return keras.layers.Dense(units or DEFAULT_UNITS, activation="tanh", **options)
    check_cell("controller", controller, "'lstm', 'feedforward' or a Keras recurrent cell")
    if units is not None:
        raise ValueError(
            "Expected `controller_units` only with a controller given by name, since a cell has "
            f"its own units. Received: controller={controller!r}, controller_units={units}"
        )
    for cell in nested_cells(controller):
        if getattr(cell, "dropout", 0) or getattr(cell, "recurrent_dropout", 0):
            raise ValueError(
                "Expected a `controller` without dropout, since keras.layers.RNN cannot reset the "
                f"dropout mask of a cell inside the NTM cell. Received: controller={controller!r}"
            )
    return controller


def state_sizes(controller):
    """Return the widths of the controller's states; a feed-forward controller has none."""
    return tree.flatten(getattr(controller, "state_size", []))


def control_width(controller):
    """Return the width of the controller's output."""
    is_cell = hasattr(controller, "state_size")
    return output_size(controller) if is_cell else controller.units


def control(controller, inputs, states, dtype):
    """Run the controller for one step.

    Args:
        controller: The layer that `make_controller` returned.
        inputs: `(batch, width)`.
        states: The list of its states; empty for a feed-forward controller.
        dtype: Dtype of a cell's output and next states.

    Returns:
        The controller's output `(batch, control_width)`, and the list of its next states.
    """
    if not states:
        return controller(inputs), []
    # A cell may have a half-precision policy of its own.
    inputs = saturate_cast(inputs, controller.compute_dtype)
    output, states = controller(inputs, pack_state(controller, states))
    states = [saturate_cast(state, dtype) for state in tree.flatten(states)]
    return saturate_cast(output, dtype), states
