"""What a Neural Turing Machine carries from step to step, flat as `keras.layers.RNN` wants it."""

import collections

from keras import ops

NTMState = collections.namedtuple(
    "NTMState", ["output", "controller", "memory", "reads", "addresses"]
)
NTMState.__doc__ = """What a Neural Turing Machine carries from step to step.

    output: the last output `(batch, output_size)`; it comes first because a `keras.layers.RNN` on
    JAX repeats the first state at a masked step. controller: list of the controller's states, each
    `(batch, any)`; memory: `(batch, slots, width)`; reads: what the read heads read, `(batch,
    read_heads, width)`; addresses: where all heads were, `(batch, heads, slots)`, the read heads
    before the write heads.
"""


def flat(x):
    """`(batch, a, b)` as `(batch, a b)`: a recurrent layer's states have one axis each."""
    return ops.reshape(x, (-1, x.shape[-2] * x.shape[-1]))


def pack(state):
    """The list of states `(batch, any)` that `unpack` reads."""
    return [
        state.output,
        *state.controller,
        flat(state.memory),
        flat(state.reads),
        flat(state.addresses),
    ]


def unpack(states, slots, width):
    """The `NTMState` of a list of states `(batch, any)`."""
    output, *controller, memory, reads, addresses = states
    return NTMState(
        output=output,
        controller=controller,
        memory=ops.reshape(memory, (-1, slots, width)),
        reads=ops.reshape(reads, (-1, reads.shape[-1] // width, width)),
        addresses=ops.reshape(addresses, (-1, addresses.shape[-1] // slots, slots)),
    )
