"""The addresses, reads and additions of a Neural Turing Machine at every step.

A cell with `return_addresses=True` appends them to its output; `split_steps` splits them again.
"""

import collections
import itertools

from keras import ops

NTMSteps = collections.namedtuple(
    "NTMSteps", ["outputs", "read_addresses", "write_addresses", "reads", "additions"]
)
NTMSteps.__doc__ = """The outputs and the memory accesses of a Neural Turing Machine, step by step.

    outputs: `(batch, T, units)`; read_addresses, write_addresses: `(batch, T, heads, slots)`, each
    row a distribution over the slots; reads, additions: the vectors that each head read or added,
    `(batch, T, heads, width)`.
"""


def step_widths(units, slots, width, read_heads, write_heads):
    """Return the widths of the concatenated parts as `NTMSteps` of lists with a width per head."""
    return NTMSteps(
        outputs=[units],
        read_addresses=[slots] * read_heads,
        write_addresses=[slots] * write_heads,
        reads=[width] * read_heads,
        additions=[width] * write_heads,
    )


def split_steps(concatenated, widths):
    """Split a concatenated output `(..., sum of all widths)` into `NTMSteps`."""
    ends = list(itertools.accumulate(itertools.chain(*widths)))
    pieces = iter(ops.split(concatenated, ends[:-1], axis=-1))
    outputs, *per_head = [list(itertools.islice(pieces, len(part))) for part in widths]
    return NTMSteps(outputs[0], *[ops.stack(part, axis=-2) for part in per_head])
