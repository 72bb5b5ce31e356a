"""Refuses what a pointer decoder cannot be called with, by name."""

import keras


def check_shapes(inputs_shape, memory_shape, points_shape=None):
    """Refuses shapes of inputs, memory and points that cannot belong together."""
    inputs, memory = tuple(inputs_shape), tuple(memory_shape)
    points = None if points_shape is None else tuple(points_shape)
    received = f"Received: inputs {inputs}, memory {memory}, points {points}"
    if len(memory) != 3 or memory[-1] is None or memory[1] == 0:
        raise ValueError(
            "Expected `memory` (batch, Tin, width) with a known width and one element at least. "
            f"{received}"
        )
    if points is None and (len(inputs) != 3 or inputs[-1] is None):
        raise ValueError(
            "Expected `inputs` (batch, Tout, width) with a known width, or indices with `points`. "
            f"{received}"
        )
    if points is not None:
        same = len(points) == 3 and all(
            None in pair or len(set(pair)) == 1 for pair in zip(points[:2], memory, strict=False)
        )
        if not same or points[-1] is None or len(inputs) != 2:
            raise ValueError(
                "Expected `points` (batch, Tin, width) with a known width, as many as the memory, "
                f"and `inputs` (batch, Tout). {received}"
            )
    if None not in (inputs[0], memory[0]) and memory[0] not in (1, inputs[0]) or inputs[1] == 0:
        raise ValueError(
            f"Expected `inputs` of the memory's batch, and of one step at least. {received}"
        )


def check_inputs(inputs, memory, points, mask_visited):
    """The same for a call's tensors, and what goes with `points` only."""
    check_shapes(inputs.shape, memory.shape, None if points is None else points.shape)
    dtype = keras.backend.standardize_dtype(inputs.dtype)
    if points is not None and "int" not in dtype:
        raise ValueError(
            "Expected `inputs` to be the integer indices to point to, as `points` are given. "
            f"Received: inputs of dtype {dtype}"
        )
    if mask_visited and points is None:
        raise ValueError(
            "Expected `points` and indices with `mask_visited`: vectors do not say what was "
            "visited. Received: mask_visited=True, points=None"
        )
