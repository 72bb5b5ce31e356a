"""What the controller tells the heads of a Neural Turing Machine."""

import collections

from keras import ops

from keras_attention.normalize import softmax

HeadParameters = collections.namedtuple(
    "HeadParameters", ["keys", "strengths", "gates", "shifts", "sharpness", "erasures", "additions"]
)
HeadParameters.__doc__ = """What all heads are told at one step; read heads come before write heads.

    keys: k `(batch, heads, width)`, what to look for; strengths: beta > 0 `(batch, heads)`, how
    much likeness counts; gates: g in (0, 1) `(batch, heads)`, content against the step before;
    shifts: s `(batch, heads, 2R + 1)`, a distribution; sharpness: gamma >= 1 `(batch, heads)`.
    Of the write heads alone: erasures: e in (0, 1) and additions: a, `(batch, write_heads, width)`.
"""


def parameter_count(heads, write_heads, width, shifts):
    """How many numbers the controller has to put out for all heads."""
    return heads * (width + 3 + shifts) + write_heads * 2 * width


def head_parameters(numbers, heads, write_heads, width, shifts):
    """Names the controller's numbers, and brings each into its range.

    Args:
        numbers: `(batch, parameter_count(...))`, any real numbers.
        heads: Number of heads, reading and writing.
        write_heads: Number of those that write.
        width: Width of a slot.
        shifts: Number of shifts, 2R + 1.

    Returns:
        `HeadParameters`. For numbers near 0 none of them is at the end of its range.
    """
    addressing, writing = ops.split(numbers, [heads * (width + 3 + shifts)], axis=-1)
    addressing = ops.reshape(addressing, (-1, heads, width + 3 + shifts))
    writing = ops.reshape(writing, (-1, write_heads, 2 * width))
    return HeadParameters(
        keys=ops.tanh(addressing[..., :width]),
        strengths=ops.softplus(addressing[..., width]),
        gates=ops.sigmoid(addressing[..., width + 1]),
        sharpness=1 + ops.softplus(addressing[..., width + 2]),
        shifts=softmax(addressing[..., width + 3 :]),
        erasures=ops.sigmoid(writing[..., :width]),
        additions=ops.tanh(writing[..., width:]),
    )
