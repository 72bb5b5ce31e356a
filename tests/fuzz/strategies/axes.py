"""More than one batch axis: layers take any number of axes before that of the sequence."""

from hypothesis import strategies as st
from keras import ops

SQUARE_BATCH = 4
# The batch B as one axis; as (1, B); as (B, 1); as (2, 2), where B is `SQUARE_BATCH`.
LAYOUTS = ("one", "first", "last", "square")


def layouts():
    """Draw how the batch is laid out in axes."""
    return st.sampled_from(["one"] * 6 + list(LAYOUTS[1:]))


def complete_layout(case):
    """Return the changes of a case whose batch is laid out as a square."""
    if case.layout != "square":
        return {}
    pair_mask = "none" if case.pair_mask == "queries_only" else case.pair_mask
    return {"batch": SQUARE_BATCH, "shared": False, "pair_mask": pair_mask}


def split_batches(case, arrays):
    """Return a dict of tensors with the batch axes of a case's layout.

    A mask of all pairs that has no batch axis is returned unchanged.
    """
    rank = 3 - (case.inputs == "single")
    return {
        k: x if k == "pairs" and len(x.shape) < rank else _split_batch(case.layout, x)
        for k, x in arrays.items()
    }


def _split_batch(layout, x):
    if layout == "one":
        return x
    if x.shape[0] == 1:
        return ops.expand_dims(x, 0)
    sizes = {"first": (1, -1), "last": (-1, 1), "square": (2, -1)}[layout]
    return ops.reshape(x, (*sizes, *ops.shape(x)[1:]))


def merge_batches(case, results):
    """Return a dict of tensors with one batch axis again."""
    if case.layout == "one":
        return results
    return {k: ops.reshape(x, (-1, *ops.shape(x)[2:])) for k, x in results.items()}
