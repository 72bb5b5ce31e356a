"""The keys, values and mask that a layer prepares once per sequence and passes to `attention`."""

from typing import Any, NamedTuple


class PreparedMemory(NamedTuple):
    """Keys and values that an attention layer has prepared once per sequence.

    keys: Projected keys `(batch, Tk, D)`, or a `StepKeys` for loops; values `(batch, Tk, Dv)`;
    mask: bool, broadcastable to `(batch, Tq, Tk)`, or None; within a call, a `StructuredMask`.
    """

    keys: Any
    values: Any
    mask: Any
