"""Validate the arguments of a pointer decoder's call."""

import keras

from keras_attention.tensors import check_tensors


def check_shapes(inputs_shape, memory_shape, points_shape=None):
    """Raise a ValueError if the shapes of inputs, memory and points do not fit together."""
    inputs, memory = tuple(inputs_shape), tuple(memory_shape)
    points = None if points_shape is None else tuple(points_shape)
    received = f"Received: inputs {inputs}, memory {memory}, points {points}"
    if len(memory) != 3 or memory[-1] is None or memory[1] == 0:
        raise ValueError(
            "Expected `memory` of shape (batch, Tin, width), with a known width and at least one "
            "element. "
            f"{received}"
        )
    if points is None and (len(inputs) != 3 or inputs[-1] is None):
        raise ValueError(
            "Expected `inputs` of shape (batch, Tout, width), with a known width; or pass "
            "`points`, with `inputs` as integer indices (batch, Tout). "
            f"{received}"
        )
    if points is not None:
        fits_memory = len(points) == 3 and all(
            None in pair or len(set(pair)) == 1 for pair in zip(points[:2], memory[:2], strict=True)
        )
        if not fits_memory or points[-1] is None or len(inputs) != 2:
            raise ValueError(
                "Expected `points` of shape (batch, Tin, width), with a known width and the "
                f"memory's Tin, and `inputs` of shape (batch, Tout). {received}"
            )
    has_other_batch = None not in (inputs[0], memory[0]) and memory[0] not in (1, inputs[0])
    if has_other_batch or inputs[1] == 0:
        raise ValueError(
            "Expected `inputs` with at least one step, and with the memory's batch size unless "
            f"that is 1. {received}"
        )


def check_inputs(inputs, memory, points, mask_visited):
    """Check the tensors of a call: shapes, integer indices, and `points` for `mask_visited`."""
    for name, x in (("inputs", inputs), ("memory", memory), ("points", points)):
        check_tensors(name, x)
    check_shapes(inputs.shape, memory.shape, None if points is None else points.shape)
    dtype = keras.backend.standardize_dtype(inputs.dtype)
    if points is not None and "int" not in dtype:
        raise ValueError(
            "Expected `inputs` to be the targets, as integer indices, if `points` are passed. "
            f"Received: inputs of dtype {dtype}"
        )
    if mask_visited and points is None:
        raise ValueError(
            "Expected `points` and integer indices with `mask_visited`, since visited elements "
            "cannot be determined from vectors. Received: mask_visited=True, points=None"
        )
