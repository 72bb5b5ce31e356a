"""The inputs and masks of a call with graphs, checked."""

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_attention.layers.call_arguments.sequence_masks import prepare_mask
from keras_attention.mask import combine
from keras_attention.tensors import check_tensors, keras_mask
from keras_attention.types import Tensor

INPUTS = "`inputs` to be [nodes, edges], of shapes (batch, N, features) and (batch, E, 2)"


def check_graph_shapes(nodes: tuple, edges: tuple) -> None:
    """Raise a ValueError if the shapes of nodes and edges are not those of a batch of graphs."""
    is_graph = len(nodes) == len(edges) == 3 and nodes[-1] is not None and edges[-1] == 2
    has_equal_batch = is_graph and (None in (nodes[0], edges[0]) or nodes[0] == edges[0])
    if not has_equal_batch:
        raise ValueError(
            f"Expected {INPUTS}, with a known number of features; a single graph is a batch of 1. "
            f"Received: nodes of shape {tuple(nodes)}, edges of shape {tuple(edges)}"
        )


def split_graph(inputs: Any) -> tuple[Tensor, Tensor]:
    """Return the nodes and edges of a call; raise a ValueError if they are not those of graphs."""
    is_pair = isinstance(inputs, list | tuple) and len(inputs) == 2
    if not is_pair or any(x is None for x in inputs):
        raise ValueError(f"Expected {INPUTS}. Received: inputs={inputs!r}")
    check_tensors("inputs", *inputs)
    nodes, edges = inputs
    check_graph_shapes(nodes.shape, edges.shape)
    dtype = keras.backend.standardize_dtype(edges.dtype)
    if not keras.backend.is_int_dtype(dtype):
        raise ValueError(
            "Expected edges of an integer dtype: the indices of a sender and a receiver. "
            f"Received: inputs with edges of dtype {dtype}"
        )
    return nodes, edges


def split_graph_masks(
    inputs: Any, mask: Any, edge_mask: Tensor | None
) -> tuple[Tensor | None, Tensor | None]:
    """Return bool masks of the nodes `(batch, N)` and edges `(batch, E)`, each may be None.

    Args:
        inputs: The layer's `inputs` argument.
        mask: The layer's `mask` argument. None = the inputs' Keras masks.
        edge_mask: The layer's `edge_mask` argument.

    Raises:
        ValueError: If a mask does not have the shape of its tensor.
    """
    nodes, edges = split_graph(inputs)
    if mask is None:
        mask = [keras_mask(x) for x in inputs]
    if not isinstance(mask, list | tuple) or len(mask) != 2:
        raise ValueError(f"Expected `mask` to be a list [node_mask, None]. Received: mask={mask!r}")
    node_mask = prepare_mask("mask", mask[0], nodes)
    edge_masks = [prepare_mask("mask", mask[1], edges), prepare_mask("edge_mask", edge_mask, edges)]
    return node_mask, combine(*edge_masks)


def check_node_indices(edges: Tensor, edge_mask: Tensor | None, nodes: Tensor) -> None:
    """Raise a ValueError if a visible edge has a known index that is not that of a node.

    Inside a compiled function the indices are not known; there such an edge counts as masked.
    """
    node_count = nodes.shape[1]
    try:
        indices = np.asarray(ops.convert_to_numpy(edges))
        is_visible = True if edge_mask is None else ops.convert_to_numpy(edge_mask)[..., None]
    except (RuntimeError, TypeError):  # A tensor in a graph or a trace has no values.
        return
    if node_count is None:
        return
    invalid = indices[((indices < 0) | (indices >= node_count)) & is_visible]
    if invalid.size:
        raise ValueError(
            f"Expected edges of node indices from 0 to {node_count - 1}; mask padding by "
            f"`edge_mask`. Received: inputs with the index {invalid[0]} in the edges"
        )
