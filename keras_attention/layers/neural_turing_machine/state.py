"""The state of a Neural Turing Machine, and its form as a flat list for `keras.layers.RNN`."""

import collections

from keras import ops

NTMState = collections.namedtuple(
    "NTMState", ["output", "controller", "memory", "reads", "addresses"]
)
NTMState.__doc__ = """The state of a Neural Turing Machine.

    output: the last output `(batch, output_size)`; it comes first because on JAX a
    `keras.layers.RNN` returns the first state as the output of a masked step. controller: list of
    the controller's states, each `(batch, n)`; memory: `(batch, slots, width)`; reads: the vectors
    that the read heads read, `(batch, read_heads, width)`; addresses: the addresses of all heads,
    `(batch, heads, slots)`, read heads before write heads.
"""


def merge_last_axes(x):
    """Reshape `(batch, a, b)` to `(batch, a * b)`, the rank of a recurrent layer's states."""
    return ops.reshape(x, (-1, x.shape[-2] * x.shape[-1]))


def pack(state):
    """Return an `NTMState` as a list of states `(batch, n)`; `unpack` is the inverse."""
    return [
        state.output,
        *state.controller,
        merge_last_axes(state.memory),
        merge_last_axes(state.reads),
        merge_last_axes(state.addresses),
    ]


def unpack(states, slots, width):
    """Return the `NTMState` of a list of states `(batch, n)`."""
    output, *controller, memory, reads, addresses = states
    return NTMState(
        output=output,
        controller=controller,
        memory=ops.reshape(memory, (-1, slots, width)),
        reads=ops.reshape(reads, (-1, reads.shape[-1] // width, width)),
        addresses=ops.reshape(addresses, (-1, addresses.shape[-1] // slots, slots)),
    )
