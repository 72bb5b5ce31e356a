"""The initial state of a Neural Turing Machine, and the weights that it is computed from."""

import keras
from keras import ops, tree

from keras_attention.layers.neural_turing_machine.controller import state_sizes
from keras_attention.layers.neural_turing_machine.state import NTMState
from keras_attention.normalize import softmax

# Value of a constant initial memory: not 0, because the cosine of a zero slot has no gradient.
INITIAL_MEMORY_VALUE = 1e-6


def add_start_weights(cell):
    """Add the weights of the initial state to an `NTMCell`."""
    if cell.memory_start == "learned":
        cell.memory_weight = _add_weight(cell, "memory_start", (cell.slots, cell.width), 0.5)
    if cell.address_start == "learned":
        shape = (cell.heads["heads"], cell.slots)
        cell.address_weight = _add_weight(cell, "address_start", shape, 1)
    cell.reads_weight = _add_weight(cell, "read_start", (cell.read_heads, cell.width), 0.5)
    cell.controller_weights = [
        _add_weight(cell, f"controller_start_{n}", (size,), 0)
        for n, size in enumerate(state_sizes(cell.controller))
    ]


def start_states(cell, batch_size):
    """Return the initial states, tensors `(batch_size, n)`, computed from the start weights.

    Args:
        cell: A built `NTMCell`.
        batch_size: An int or a scalar tensor.
    """
    if cell.memory_start == "learned":
        memory = ops.tanh(cell.memory_weight)
    else:
        memory = ops.full((cell.slots, cell.width), INITIAL_MEMORY_VALUE, cell.compute_dtype)
    if cell.address_start == "learned":
        addresses = softmax(cell.address_weight)
    else:
        first = ops.one_hot(0, cell.slots, dtype=cell.compute_dtype)
        addresses = ops.broadcast_to(first, (cell.heads["heads"], cell.slots))
    start = NTMState(
        output=ops.zeros((cell.output_size,), cell.compute_dtype),
        controller=list(cell.controller_weights),
        memory=memory,
        reads=ops.tanh(cell.reads_weight),
        addresses=addresses,
    )
    flat_start = [ops.reshape(x, (-1,)) for x in tree.flatten(start)]
    return [ops.broadcast_to(x, (batch_size, x.shape[0])) for x in flat_start]


def _add_weight(cell, name, shape, stddev):
    initializer = keras.initializers.RandomNormal(stddev=stddev)
    # No autocast: `keras.layers.RNN` uses these weights under its own policy, which could be half
    # precision.
    return cell.add_weight(name=name, shape=shape, initializer=initializer, autocast=False)
