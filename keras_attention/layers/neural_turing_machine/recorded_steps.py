"""What a Neural Turing Machine did at every step, inside one flat output."""

import collections
import itertools

from keras import ops

NTMSteps = collections.namedtuple(
    "NTMSteps", ["outputs", "read_addresses", "write_addresses", "reads", "additions"]
)
NTMSteps.__doc__ = """What a Neural Turing Machine did, step by step.

    outputs: `(batch, T, units)`; read_addresses, write_addresses: `(batch, T, heads, slots)`, each
    row a distribution over the slots; reads, additions: what was read there and what was added
    there, `(batch, T, heads, width)`.
"""


def step_widths(units, slots, width, read_heads, write_heads):
    """`NTMSteps` of the widths of each part: a list with one number for every head."""
    return NTMSteps(
        outputs=[units],
        read_addresses=[slots] * read_heads,
        write_addresses=[slots] * write_heads,
        reads=[width] * read_heads,
        additions=[width] * write_heads,
    )


def split_steps(flat, widths):
    """The `NTMSteps` of `(..., the sum of all widths)`."""
    ends = list(itertools.accumulate(itertools.chain(*widths)))
    pieces = iter(ops.split(flat, ends[:-1], axis=-1))
    outputs, *of_heads = [list(itertools.islice(pieces, len(part))) for part in widths]
    return NTMSteps(outputs[0], *[ops.stack(part, axis=-2) for part in of_heads])
