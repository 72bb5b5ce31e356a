"""One number for each position, from the numbers of its features."""

from keras import ops

from keras_attention.types import Tensor

REDUCTIONS = ("norm", "sum", "max", None)


def reduce_features(x: Tensor, reduce: str | None) -> Tensor:
    """Reduce the last axis.

    Args:
        x: `(batch, ..., features)`.
        reduce: One of `REDUCTIONS`.

    Raises:
        ValueError: If no axis of positions would remain.
    """
    if reduce is None:
        return x
    if len(x.shape) < 3:
        raise ValueError(
            "Expected positions with features, (batch, ..., features), of which `reduce` takes the "
            "last axis. For one vector per example pass reduce=None. "
            f"Received: an input or layer output of shape {tuple(x.shape)}"
        )
    if reduce == "norm":
        return ops.sqrt(ops.sum(ops.square(x), axis=-1))
    return ops.sum(x, axis=-1) if reduce == "sum" else ops.max(ops.abs(x), axis=-1)
