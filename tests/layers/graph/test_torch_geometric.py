"""GraphAttention equals the layers of PyTorch Geometric that have the same weights."""

import warnings

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention import GraphAttention

torch = pytest.importorskip("torch")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    geometric = pytest.importorskip("torch_geometric.nn")

NODES, FEATURES, UNITS, HEADS = 30, 6, 4, 3
RNG = np.random.default_rng(0)
X = RNG.normal(size=(NODES, FEATURES)).astype("float32")
EDGES = RNG.integers(NODES, size=(100, 2))  # with repeated edges and self-loops


def create_pair(dynamic, merge, self_loops):
    """Return our layer and that of PyTorch Geometric, with the same random weights."""
    layer = GraphAttention(UNITS, HEADS, merge, dynamic=dynamic, self_loops=self_loops)
    layer.build([(1, NODES, FEATURES), (1, 100, 2)])
    layer.set_weights([RNG.normal(size=w.shape) for w in layer.get_weights()])
    create = geometric.GATv2Conv if dynamic else geometric.GATConv
    other = create(
        *(FEATURES, UNITS, HEADS), concat=merge == "concatenate", add_self_loops=self_loops
    )
    kernel, *attention, bias = (torch.tensor(np.array(w)) for w in layer.get_weights())
    if dynamic:
        weights = {"lin_l.weight": kernel.T, "lin_r.weight": attention[0].T}
        weights |= {"att": attention[1][None]}
        weights |= {f"lin_{side}.bias": torch.zeros(HEADS * UNITS) for side in "lr"}
    else:
        weights = {"lin.weight": kernel.T, "att_dst": attention[0][None]}
        weights |= {"att_src": attention[1][None]}
    other.load_state_dict({**weights, "bias": bias})
    return layer, other


@pytest.mark.parametrize("self_loops", [True, False], ids=["loops", "no loops"])
@pytest.mark.parametrize("merge", ["concatenate", "average"])
@pytest.mark.parametrize("dynamic", [False, True], ids=["GATConv", "GATv2Conv"])
def test_outputs_and_weights_are_equal(dynamic, merge, self_loops):
    layer, other = create_pair(dynamic, merge, self_loops)
    with torch.no_grad():
        expected, (edges, expected_weights) = other(
            torch.tensor(X), torch.tensor(EDGES.T), return_attention_weights=True
        )
    outputs = layer([X[None], EDGES[None]], return_attention_scores=True)
    output, weights, *loops = (ops.convert_to_numpy(x)[0] for x in outputs)
    np.testing.assert_allclose(output, expected.numpy(), atol=1e-5)
    if self_loops:  # PyTorch Geometric removes self-loops, and appends one for each node
        weights = np.concatenate([weights[EDGES[:, 0] != EDGES[:, 1]], *loops])
    assert edges.shape[1] == len(weights)
    np.testing.assert_allclose(weights, expected_weights.numpy(), atol=1e-5)


@pytest.mark.skipif(keras.backend.backend() != "torch", reason="compares gradients of PyTorch")
@pytest.mark.parametrize("dynamic", [False, True], ids=["GATConv", "GATv2Conv"])
def test_gradients_are_equal(dynamic):
    layer, other = create_pair(dynamic, "concatenate", self_loops=True)
    nodes = torch.tensor(X, requires_grad=True)
    expected = torch.autograd.grad(other(nodes, torch.tensor(EDGES.T)).sin().sum(), nodes)[0]
    output = layer([nodes[None], torch.tensor(EDGES[None])])
    gradient = torch.autograd.grad(output.sin().sum(), nodes)[0]
    np.testing.assert_allclose(gradient.numpy(), expected.numpy(), atol=1e-4)
