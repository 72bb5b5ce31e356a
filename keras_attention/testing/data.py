"""Example inputs for the checks."""

import numpy as np

BATCH, QUERIES, KEYS, WIDTH = 2, 3, 7, 5
OTHER_SIZES = 3, 5, 11  # batch, queries and keys of a second batch, for layers of any size


def example_batch(
    size: int = BATCH, queries: int = QUERIES, keys: int = KEYS, width: int = WIDTH
) -> tuple:
    """Return queries, values and their masks as numpy arrays.

    In the first sequence every key is masked. In the second one, the last query and all but the
    first four keys are masked.

    Args:
        size: Batch size, at least 2.
        queries: Number of queries per sequence.
        keys: Number of values per sequence.
        width: Width of queries and values.

    Returns:
        Queries `(size, queries, width)` and values `(size, keys, width)`, float32; bool masks
        `(size, queries)` and `(size, keys)`.
    """
    rng = np.random.default_rng(0)
    query = rng.normal(size=(size, queries, width)).astype("float32")
    value = rng.normal(size=(size, keys, width)).astype("float32")
    query_mask, value_mask = np.ones((size, queries), bool), np.ones((size, keys), bool)
    query_mask[1, -1] = value_mask[0] = value_mask[1, 4:] = False
    return query, value, query_mask, value_mask
