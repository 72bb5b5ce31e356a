"""Hard attention by enumerating all possible samples, in float64 and plain Python loops.

Independent of the package. Shapes: query (S, D), key (K, D), value (K, V)."""

import itertools
import math

import numpy as np

from tests import reference


def alphas(query, key):
    """Xu et al. (2015), eq. 5, with dot-product scores."""
    return [reference.softmax(row) for row in reference.dot(query, key)]


def squared_error(prediction, target):
    """Compute the mean squared error."""
    return sum((p - t) ** 2 for p, t in zip(prediction, target, strict=True)) / len(target)


def attention_steps(layers):
    """Return [(weights, value), ...], one pair for each query of each layer.

    `layers` is [(query, key, value), ...].
    """
    return [(alpha, value) for query, key, value in layers for alpha in alphas(query, key)]


def compute_cost(contexts, readout, target):
    """Compute the squared error of the concatenated contexts times the matrix `readout`."""
    return squared_error(reference.times(np.concatenate(contexts), readout), target)


def expected_cost(layers, readout, target):
    """sum_s p(s) cost(s): the negative of the bound in eq. 10, with log p(y | s, a) = -cost."""
    expectation = 0.0
    steps = attention_steps(layers)
    for choice in itertools.product(*(range(len(alpha)) for alpha, _ in steps)):
        chosen = list(zip(choice, steps, strict=True))
        probability = math.prod(alpha[j] for j, (alpha, _) in chosen)
        contexts = [value[j] for j, (_, value) in chosen]
        expectation += probability * compute_cost(contexts, readout, target)
    return expectation


def cost_of_the_expectation(layers, readout, target):
    """cost(sum_j alpha_j value_j): soft attention."""
    contexts = [reference.times(alpha, value) for alpha, value in attention_steps(layers)]
    return compute_cost(contexts, readout, target)


def expected_cost_of_a_decoder(state, inputs, memory, kernel, recurrent, bias, targets):
    """Compute sum_s p(s) cost(s) of a decoder with a tanh cell and hard attention.

    Before every step the cell's state is the query. p(s_t) therefore depends on the earlier
    samples. The cost is summed over the steps.
    """
    if not len(inputs):
        return 0.0
    expectation = 0.0
    [alpha] = alphas([state], memory)
    for probability, value in zip(alpha, memory, strict=True):
        cell_inputs = np.concatenate([inputs[0], value])
        next_state = reference.tanh(
            reference.times(cell_inputs, kernel) + reference.times(state, recurrent) + bias
        )
        rest = expected_cost_of_a_decoder(
            next_state, inputs[1:], memory, kernel, recurrent, bias, targets[1:]
        )
        expectation += probability * (squared_error(next_state, targets[0]) + rest)
    return expectation
