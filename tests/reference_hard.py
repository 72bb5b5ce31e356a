"""Hard attention by enumeration, in float64 and plain Python loops: every sample there can be.

Nothing here knows of the package: query (S, D), key (K, D), value (K, V)."""

import itertools
import math

import numpy as np

from tests import reference


def alphas(query, key):
    """Xu et al. (2015), eq. 5, of dot products."""
    return [reference.softmax(row) for row in reference.dot(query, key)]


def squares(prediction, target):
    """The mean squared difference."""
    return sum((p - t) ** 2 for p, t in zip(prediction, target, strict=True)) / len(target)


def looks(layers):
    """The weights and the values of every look at a memory, of [(query, key, value), ...]."""
    return [(alpha, value) for query, key, value in layers for alpha in alphas(query, key)]


def cost_of(contexts, readout, target):
    """Of what all looks have read, one after the other, through a matrix."""
    return squares(reference.times(np.concatenate(contexts), readout), target)


def expected_cost(layers, readout, target):
    """sum_s p(s) cost(s): eq. 10's bound, negated, with log p(y | s, a) = -cost."""
    actual = 0.0
    sights = looks(layers)
    for choice in itertools.product(*(range(len(alpha)) for alpha, _ in sights)):
        chosen = list(zip(choice, sights, strict=True))
        probability = math.prod(alpha[j] for j, (alpha, _) in chosen)
        actual += probability * cost_of([value[j] for j, (_, value) in chosen], readout, target)
    return actual


def cost_of_the_expectation(layers, readout, target):
    """cost(sum_j alpha_j value_j): soft attention."""
    contexts = [reference.times(alpha, value) for alpha, value in looks(layers)]
    return cost_of(contexts, readout, target)


def expected_cost_of_a_decoder(state, inputs, memory, kernel, recurrent, bias, targets):
    """sum_s p(s) cost(s) of a tanh cell that looks before every step, asking with its state.

    p(s_t) depends on what was chosen before, through the state. The cost sums over steps.
    """
    if not len(inputs):
        return 0.0
    actual = 0.0
    [alpha] = alphas([state], memory)
    for probability, value in zip(alpha, memory, strict=True):
        fed = np.concatenate([inputs[0], value])
        following = reference.tanh(
            reference.times(fed, kernel) + reference.times(state, recurrent) + bias
        )
        rest = expected_cost_of_a_decoder(
            following, inputs[1:], memory, kernel, recurrent, bias, targets[1:]
        )
        actual += probability * (squares(following, targets[0]) + rest)
    return actual
