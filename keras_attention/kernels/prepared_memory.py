"""The keys, values and mask that a layer prepares once per sequence and passes to `attention`."""

from typing import Any, NamedTuple


class PreparedMemory(NamedTuple):
    """Keys and values that an attention layer has prepared once per sequence.

    keys: Projected keys `(batch, Tk, D)`, a `StepKeys` for loops, or another nest that the layer's
    `project_keys` returned; values `(batch, Tk, Dv)`;
    mask: bool, broadcastable to `(batch, Tq, Tk)`, or None; within a call, a `StructuredMask`.
    """

    keys: Any
    values: Any
    mask: Any
