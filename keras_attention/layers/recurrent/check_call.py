"""Check the inputs and the memory of an attention decoder's call."""

from keras_attention.tensors import check_tensors


def check_shapes(inputs_shape, memory_shape):
    """Raise a ValueError if the shapes of inputs and memory do not fit together."""
    inputs_shape, memory_shape = tuple(inputs_shape), tuple(memory_shape)
    ranks = len(inputs_shape), len(memory_shape)
    batch, memory_batch = inputs_shape[0], memory_shape[0]
    has_other_batch = None not in (batch, memory_batch) and memory_batch not in (1, batch)
    if ranks != (3, 3) or None in (inputs_shape[-1], memory_shape[-1]) or has_other_batch:
        raise ValueError(
            "Expected `inputs` (batch, Tdec, width) and `memory` (batch, Tenc, width) with "
            "known widths, and with the same batch size unless that of the memory is 1. "
            f"Received: inputs {inputs_shape}, memory {memory_shape}"
        )
    if 0 in (inputs_shape[1], memory_shape[1]):
        raise ValueError(
            "Expected `inputs` of at least one step and `memory` of at least one key. "
            f"Received: inputs {inputs_shape}, memory {memory_shape}"
        )


def check_inputs(inputs, memory):
    """Raise a ValueError if a call's tensors are not dense and numeric, or do not fit together."""
    check_tensors("inputs", inputs)
    check_tensors("memory", memory)
    check_shapes(inputs.shape, memory.shape)
