"""Attention flow: the attention of several layers to the input, as a maximum flow."""

from collections.abc import Sequence

import numpy as np
from keras import ops

from keras_attention import arguments
from keras_attention.explain.rollout import check_residual, check_weights
from keras_attention.types import Tensor

# Capacities are integers; those of a position add up to about this number, which an int32 holds.
UNITS = 2**28


def flow(
    weights: Sequence[Tensor], residual: float = 0.5, positions: Sequence[int] | None = None
) -> np.ndarray:
    """Trace attention back to the input as the maximum flow through a stack of layers.

    The matrices M_l = residual I + (1 - residual) mean_heads(A_l) of `rollout` are the capacities
    of the edges between the positions of successive layers. Element (i, j) of the result is the
    maximum flow from output position i to input position j. While rollout multiplies the shares
    along each path, the flow along a path is limited by its narrowest edge.

    Each pair of positions is a maximum flow of its own: for 30 positions and 6 layers, all take
    seconds. Choose `positions` for longer sequences.

    Args:
        weights: Attention weights `(batch, heads, T, T)` of each layer, the first layer's first, as
            layers return them with `return_attention_scores=True`.
        residual: Share of the residual connection, from 0 (none) to 1 (no attention).
        positions: The output positions to trace back, such as [0] for a class token. Default: all.

    Returns:
        `(batch, len(positions), T)`, float32. Rows do not sum to 1.

    Raises:
        ValueError: If an argument is invalid, as in `rollout`.
        ImportError: If SciPy is not installed.

    Example:
    >>> layers = [np.full((1, 2, 3, 3), 1 / 3, "float32")] * 2  # equal weights
    >>> keras_attention.explain.flow(layers, positions=[0])[0].round(3)
    array([[1. , 0.5, 0.5]], dtype=float32)

    Differs from the paper: capacities are rounded to multiples of 2^-28, because SciPy's algorithm
    (Dinic's) takes integers.

    Reference:
        Quantifying Attention Flow in Transformers, Abnar and Zuidema (2020), section 3,
        https://arxiv.org/abs/2005.00928.
    """
    residual = check_residual(residual)
    tensors = check_weights(weights)
    averaged = [
        np.asarray(ops.convert_to_numpy(ops.mean(ops.cast(w, "float32"), 1)), "float64")
        for w in tensors
    ]
    length = averaged[0].shape[-1]
    positions = range(length) if positions is None else _check_positions(positions, length)
    matrices = [residual * np.eye(length) + (1 - residual) * w for w in averaged]
    capacities = [np.rint(UNITS * matrix).astype("int32") for matrix in matrices]
    result = np.zeros((len(averaged[0]), len(positions), length), "float32")
    for example, rows in enumerate(result):
        graph = _make_graph([matrix[example] for matrix in capacities])
        for row, position in zip(rows, positions, strict=True):
            row[:] = _find_flows(graph, len(capacities) * length + position, length)
    return result / UNITS


def _check_positions(positions, length):
    values = list(positions) if isinstance(positions, list | tuple | range | np.ndarray) else []
    if not values or not all(arguments.is_integer(n) and 0 <= n < length for n in values):
        raise ValueError(
            f"Expected `positions` to be a list of integers in the range [0, {length}). "
            f"Received: positions={positions!r}"
        )
    return values


def _make_graph(matrices):
    """Return the sparse matrix of capacities; node l T + i is position i after l layers."""
    try:
        from scipy.sparse import csr_array
    except ImportError as error:
        raise ImportError(
            "Expected SciPy, whose maximum flow `keras_attention.explain.flow` uses: pip install "
            "scipy"
        ) from error

    length = len(matrices[0])
    sources, sinks, values = [], [], []
    for layer, matrix in enumerate(matrices):
        rows, columns = np.nonzero(matrix)
        sources.append(rows + (layer + 1) * length)
        sinks.append(columns + layer * length)
        values.append(matrix[rows, columns])
    nodes = (len(matrices) + 1) * length
    edges = tuple(np.concatenate(parts).astype("int32") for parts in (sources, sinks))
    return csr_array((np.concatenate(values), edges), shape=(nodes, nodes))


def _find_flows(graph, source, length):
    """Return the maximum flows from a node to each input position, in `UNITS`."""
    from scipy.sparse.csgraph import maximum_flow

    return [maximum_flow(graph, source, sink).flow_value for sink in range(length)]
