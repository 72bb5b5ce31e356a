"""The parameters of a Neural Turing Machine's heads, computed from the controller's output."""

from typing import NamedTuple

from keras import ops

from keras_attention import arguments
from keras_attention.normalize import softmax
from keras_attention.types import Tensor


class HeadParameters(NamedTuple):
    """The parameters of all heads at one step; read heads come before write heads.

    Attributes:
        keys: k `(batch, heads, width)`, compared with the slots.
        strengths: beta > 0 `(batch, heads)`, which scales the cosines.
        gates: g in (0, 1) `(batch, heads)`, the share of the content address in the interpolation
            with the previous address.
        shifts: s `(batch, heads, 2R + 1)`, a distribution over the shifts -R to R.
        sharpness: gamma >= 1 `(batch, heads)`.
        erasures: e in (0, 1) `(batch, write_heads, width)`, of write heads only.
        additions: a `(batch, write_heads, width)`, of write heads only.
    """

    keys: Tensor
    strengths: Tensor
    gates: Tensor
    shifts: Tensor
    sharpness: Tensor
    erasures: Tensor
    additions: Tensor


def check_shift_range(shift_range, slots):
    """Return R as an int if it is at least 0 and all 2R + 1 shifts are different."""
    is_integer = arguments.is_integer(shift_range)
    if not is_integer or shift_range < 0 or 2 * shift_range + 1 > slots:
        raise ValueError(
            "Expected `shift_range` to be an integer of at least 0 with 2 shift_range + 1 <= "
            f"slots. Received: shift_range={shift_range!r}, slots={slots}"
        )
    return int(shift_range)


def count_parameters(heads, write_heads, width, shifts):
    """Return the number of raw parameters of all heads, which the controller's output gives."""
    return heads * (width + 3 + shifts) + write_heads * 2 * width


def split_head_parameters(parameters, heads, write_heads, width, shifts):
    """Split the raw parameters into `HeadParameters`, and map each parameter into its range.

    Args:
        parameters: `(batch, count_parameters(...))`, any real numbers. Numbers near 0 are mapped
            away from the ends of the ranges.
        heads: Number of heads, read and write heads together.
        write_heads: Number of write heads.
        width: Width of a slot.
        shifts: Number of shifts, 2R + 1.

    Returns:
        `HeadParameters`.
    """
    addressing, writing = ops.split(parameters, [heads * (width + 3 + shifts)], axis=-1)
    addressing = ops.reshape(addressing, (-1, heads, width + 3 + shifts))
    writing = ops.reshape(writing, (-1, write_heads, 2 * width))
    # Split, because the gradients of several slices would be padded and added.
    ends = [width, width + 1, width + 2, width + 3]
    keys, strengths, gates, sharpness, shifts = ops.split(addressing, ends, axis=-1)
    erasures, additions = ops.split(writing, 2, axis=-1)
    return HeadParameters(
        keys=ops.tanh(keys),
        strengths=ops.softplus(ops.squeeze(strengths, -1)),
        gates=ops.sigmoid(ops.squeeze(gates, -1)),
        sharpness=1 + ops.softplus(ops.squeeze(sharpness, -1)),
        shifts=softmax(shifts),
        erasures=ops.sigmoid(erasures),
        additions=ops.tanh(additions),
    )
