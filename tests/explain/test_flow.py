"""Flow equals a linear program's maximum flow, and has the properties of capacities."""

import numpy as np
import pytest

from keras_attention.explain import flow, rollout
from tests.explain.test_rollout import numpy, sample_weights

pytest.importorskip("scipy")


def solve_by_linear_program(matrices, source, sink):
    """Maximize the flow from an output position to an input position."""
    from scipy.optimize import linprog

    length = len(matrices[0])
    nodes = [(layer, i) for layer in range(len(matrices) + 1) for i in range(length)]
    edges = [
        (layer + 1, i, j) for layer in range(len(matrices)) for i, j in np.ndindex(length, length)
    ]
    ends = {(len(matrices), source), (0, sink)}
    balance = [
        [(node == (layer - 1, j)) - float(node == (layer, i)) for layer, i, j in edges]
        for node in nodes
        if node not in ends
    ]
    bounds = [(0, matrices[layer - 1][i, j]) for layer, i, j in edges]
    leaving = [-float((layer, i) == (len(matrices), source)) for layer, i, j in edges]
    return -linprog(leaving, A_eq=balance, b_eq=np.zeros(len(balance)), bounds=bounds).fun


@pytest.mark.parametrize("residual", [0, 0.5])
def test_flow_equals_a_linear_program(residual):
    weights = sample_weights()
    actual = flow(weights, residual, positions=[3, 0])
    assert actual.shape == (2, 2, 5) and actual.dtype == np.float32
    matrices = [residual * np.eye(5) + (1 - residual) * w.mean(axis=1)[1] for w in weights]
    for row, position in enumerate((3, 0)):
        expected = [solve_by_linear_program(matrices, position, sink) for sink in range(5)]
        np.testing.assert_allclose(actual[1, row], expected, atol=1e-5)


def test_flow_of_one_layer_is_its_rollout_and_of_several_at_least_that():
    weights = sample_weights()
    np.testing.assert_allclose(flow(weights[:1]), numpy(rollout(weights[:1])), atol=1e-6)
    assert (flow(weights) > numpy(rollout(weights)) - 1e-6).all()
    assert flow(weights).max() <= 1 + 1e-6


@pytest.mark.parametrize("positions", [[], [5], [-1], [0.5], "first"])
def test_wrong_positions_are_refused(positions):
    with pytest.raises(ValueError, match="Expected `positions` .* Received: positions="):
        flow(sample_weights(), positions=positions)
