"""Attention over the neighbors of a node, drawn as a graph."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from keras_attention import arguments
from keras_attention.types import Tensor
from keras_attention.visualize.arrays import check_count, to_list, to_weights
from keras_attention.visualize.characters import make_visible
from keras_attention.visualize.figures import make_figure
from keras_attention.visualize.fonts import choose_fonts
from keras_attention.visualize.save import save_figure, to_picture_path

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIDE = 7.0  # inches
MAX_LINE_WIDTH, MIN_LINE_WIDTH = 9.0, 0.3  # points
NODE_SIZE, CENTER_SIZE = 90, 260  # square points
FONT_SIZE = 10


def graph(
    edges: Tensor,
    weights: Tensor,
    labels: Sequence | None = None,
    center: int | None = None,
    hops: int = 2,
    path: str | os.PathLike | None = None,
) -> "Figure":
    """Draw the nodes around a node, and the weights with which they attend to one another.

    A line between two nodes is drawn in two halves: the half at a node is as wide as the weight
    with which this node attends to the other one, and has the color of the other one's label.

    Args:
        edges: Int (E, 2), the sender and the receiver of each edge.
        weights: (E,), the weight of each edge, or (E, heads), whose mean is drawn; floats in
            [0, 1], of any backend.
        labels: A label of each node, such as its class, which determines its color. Default: all
            nodes have the same color.
        center: The node around which nodes are drawn. Default: all nodes are drawn.
        hops: How many edges a drawn node may be away from the center, in any direction.
        path: The file to write: `.png`, `.svg` or `.pdf`. Missing directories are created, and an
            existing file is replaced atomically. Default: no file.

    Returns:
        A `matplotlib.figure.Figure`, which is not registered with pyplot.

    Raises:
        ValueError: If edges or weights have the wrong shape, or are not finite or not in their
            range; if the center or the number of labels does not fit; if the path has an
            unsupported suffix.

    Example:
        >>> from keras_attention.visualize import graph
        >>> edges = [[0, 1], [1, 0], [2, 1], [1, 2]]
        >>> figure = graph(edges, [1.0, 0.8, 0.2, 1.0], ["cat", "dog", "cat"], center=1)
        >>> [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
        ['cat', 'dog']

    Reference: Veličković et al., "Graph Attention Networks", 2018, figure 2 (right),
    https://arxiv.org/abs/1710.10903, where the sum over heads is the width of a line.
    """
    edges, weights = _check_edges(edges, weights)
    hops = arguments.positive_integer("hops", hops)
    count = int(edges.max(initial=-1)) + 1
    if labels is not None:
        labels = [str(label) for label in to_list("labels", labels)]
        if len(labels) < count:
            check_count("labels", labels, count, "nodes")
        count = len(labels)
    nodes = _find_nodes(edges, count, center, hops)
    path = path if path is None else to_picture_path(path)

    figure = make_figure(layout="constrained", figsize=(SIDE, SIDE))
    axes = figure.add_subplot()
    axes.set_axis_off()
    axes.set_aspect("equal")
    is_drawn = np.isin(edges, nodes).all(axis=1) & (edges[:, 0] != edges[:, 1])
    edges, weights = edges[is_drawn], weights[is_drawn]
    places = _place_nodes(nodes, edges, center)
    colors = _choose_colors(nodes, labels)
    _draw_halves(axes, edges, weights, places, colors)
    _draw_nodes(axes, nodes, places, colors, labels, center)
    if path is not None:
        save_figure(figure, path)
    return figure


def _check_edges(edges, weights):
    weights = to_weights(weights)
    weights = weights.mean(axis=1) if weights.ndim == 2 else weights
    numbers = np.asarray(edges if isinstance(edges, list | tuple) else np.array(edges))
    is_pairs = numbers.ndim == 2 and numbers.shape[1] == 2 and numbers.dtype.kind in "iu"
    if not is_pairs or numbers.size and numbers.min() < 0:
        raise ValueError(
            "Expected `edges` (E, 2), integers of at least 0. "
            f"Received: edges of shape {numbers.shape} and dtype {numbers.dtype}"
        )
    if weights.shape != numbers.shape[:1]:
        raise ValueError(
            f"Expected `weights` of shape ({len(numbers)},) or ({len(numbers)}, heads). "
            f"Received: weights of shape {weights.shape}"
        )
    return numbers, weights


def _find_nodes(edges, count, center, hops):
    """Return the nodes to draw, in ascending order."""
    if center is None:
        return np.arange(count)
    if not arguments.is_integer(center) or not 0 <= center < count:
        raise ValueError(
            f"Expected `center` to be a node from 0 to {count - 1}. Received: center={center!r}"
        )
    nodes = np.array([center])
    for _ in range(hops):
        nodes = np.union1d(nodes, edges[np.isin(edges, nodes).any(axis=1)])
    return nodes


def _place_nodes(nodes, edges, center):
    """Return {node: place (2,)}, with linked nodes close to each other."""
    try:
        import networkx
    except ImportError as error:
        raise ImportError(
            "Expected `networkx` to be installed, because it places the nodes. Install it with "
            "`pip install 'keras-attention-layers[visualize]'` or `pip install networkx`."
        ) from error

    network = networkx.Graph()
    network.add_nodes_from(nodes.tolist())
    network.add_edges_from(edges.tolist())
    places = networkx.kamada_kawai_layout(network)
    origin = 0 if center is None else places[center]
    return {node: np.asarray(place) - origin for node, place in places.items()}


def _choose_colors(nodes, labels):
    """Return {node: color}; each label has a color of its own, as long as there are enough."""
    from matplotlib import colormaps

    if labels is None:
        return dict.fromkeys(nodes.tolist(), "black")
    palette = colormaps["tab10" if len(set(labels)) <= 10 else "tab20"]
    order = {label: number for number, label in enumerate(sorted(set(labels)))}
    return {node: palette(order[labels[node]] % palette.N) for node in nodes.tolist()}


def _draw_halves(axes, edges, weights, places, colors):
    from matplotlib.collections import LineCollection

    halves, halves_colors = [], []
    for sender, receiver in edges.tolist():
        middle = (places[sender] + places[receiver]) / 2
        halves.append([places[receiver], middle])
        halves_colors.append(colors[sender])
    widths = np.maximum(MAX_LINE_WIDTH * weights, MIN_LINE_WIDTH)
    axes.add_collection(
        LineCollection(halves, linewidths=widths, colors=halves_colors, alpha=0.7, zorder=1)
    )


def _draw_nodes(axes, nodes, places, colors, labels, center):
    for node in nodes.tolist():
        axes.scatter(
            *places[node],
            s=CENTER_SIZE if node == center else NODE_SIZE,
            color=[colors[node]],
            edgecolors="black",
            linewidths=2 if node == center else 0.8,
            zorder=2,
        )
    if labels is None:
        return
    drawn = sorted({labels[node]: colors[node] for node in nodes.tolist()}.items())
    handles = [axes.scatter([], [], color=[color], label="") for _, color in drawn]
    texts = [choose_fonts(make_visible(label)) for label, _ in drawn]
    legend = axes.legend(handles, [text for text, _ in texts], fontsize=FONT_SIZE, frameon=False)
    for label, (_, families) in zip(legend.get_texts(), texts, strict=True):
        label.set_fontfamily(families)
        label.set_parse_math(False)
