"""The drawing of a graph shows the neighborhood of a node, its weights and its classes."""

import numpy as np
import pytest
from matplotlib import pyplot

from keras_attention.visualize import graph

# A path 0 - 1 - 2 - 3 - 4 in both directions, and a self-loop.
EDGES = np.array([[0, 1], [1, 0], [1, 2], [2, 1], [2, 3], [3, 2], [3, 4], [4, 3], [2, 2]])
WEIGHTS = np.array([0.9, 0.1, 0.2, 0.8, 0.3, 0.7, 0.4, 0.6, 1.0])


def read_lines(figure):
    [axes] = figure.axes
    [lines] = [x for x in axes.collections if hasattr(x, "get_segments")]
    return axes, lines


def read_places(axes):
    return [x.get_offsets()[0] for x in axes.collections if len(x.get_offsets()) == 1][1:]


@pytest.mark.parametrize(("hops", "count"), [(1, 4), (2, 8)])
def test_edges_of_the_neighborhood_are_drawn(hops, count):
    _, lines = read_lines(graph(EDGES, WEIGHTS, center=2, hops=hops))
    assert len(lines.get_segments()) == count


def test_half_of_a_line_at_a_node_has_the_weight_of_the_edge_that_ends_there():
    figure = graph(EDGES[:2], WEIGHTS[:2], labels=["a", "b"])
    axes, lines = read_lines(figure)
    (to_1, to_0), widths = lines.get_segments(), lines.get_linewidths()
    np.testing.assert_allclose(widths, [8.1, 0.9])
    np.testing.assert_allclose(to_1[1], to_0[1])
    np.testing.assert_allclose(to_1[1], (to_1[0] + to_0[0]) / 2)
    nodes = [x for x in axes.collections if x is not lines and len(x.get_offsets())]
    np.testing.assert_allclose(nodes[0].get_offsets()[0], to_0[0])
    # The half at node 1 has the color of the sender, node 0.
    np.testing.assert_allclose(lines.get_colors()[0][:3], nodes[0].get_facecolor()[0][:3])


def test_weights_of_heads_are_averaged():
    heads = np.stack([WEIGHTS, np.zeros(9)], axis=1)
    _, lines = read_lines(graph(EDGES, heads))
    np.testing.assert_allclose(lines.get_linewidths(), np.maximum(4.5 * WEIGHTS[:8], 0.3))


def test_file_is_written_and_no_figure_stays_open(tmp_path):
    path = tmp_path / "new" / "graph.png"
    graph(EDGES, WEIGHTS, labels=range(5), center=0, path=path)
    assert path.read_bytes()[:4] == b"\x89PNG"
    assert not pyplot.get_fignums()


def test_graph_without_edges_is_drawn():
    figure = graph(np.zeros((0, 2), int), np.zeros(0), labels=["a", "b"])
    assert [t.get_text() for t in figure.axes[0].get_legend().get_texts()] == ["a", "b"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"edges": EDGES.T}, r"`edges` \(E, 2\).*shape \(2, 9\)"),
        ({"edges": EDGES - 1}, "integers of at least 0"),
        ({"edges": EDGES * 0.5}, "integers.*dtype float64"),
        ({"weights": WEIGHTS[:4]}, r"`weights` of shape \(9,\).*shape \(4,\)"),
        ({"weights": WEIGHTS * 2}, "`weights` between 0 and 1"),
        ({"labels": ["a"]}, "`labels` .* 5 nodes"),
        ({"center": 5}, "from 0 to 4. Received: center=5"),
        ({"center": "a"}, "from 0 to 4. Received: center='a'"),
        ({"hops": 0}, "hops=0"),
        ({"path": "graph.txt"}, "path='graph.txt'"),
    ],
)
def test_wrong_arguments_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        graph(**{"edges": EDGES, "weights": WEIGHTS, **options})
