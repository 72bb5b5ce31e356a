"""The recurrences of the papers in float64 and plain loops, for one sequence without a batch."""

import math

import numpy as np

from tests import reference


def sigmoid(vector):
    return np.array([1 / (1 + math.exp(min(-x, 700.0))) for x in vector])  # e^710 overflows


def gates(inputs, hidden, kernel, recurrent_kernel, biases, count):
    """Compute the terms x W + b and h U + b' of every gate."""
    input_terms = reference.times(inputs, kernel) + biases[0]
    hidden_terms = reference.times(hidden, recurrent_kernel) + biases[1]
    return np.split(input_terms, count), np.split(hidden_terms, count)


def gru(inputs, state, kernel, recurrent_kernel, bias):
    """Cho et al. (2014) as in Keras: gates z, r, candidate; reset after; z weighs the old state."""
    (hidden,) = state
    (xz, xr, xh), (hz, hr, hh) = gates(inputs, hidden, kernel, recurrent_kernel, bias, 3)
    z, r = sigmoid(xz + hz), sigmoid(xr + hr)
    hidden = z * hidden + (1 - z) * reference.tanh(xh + r * hh)
    return hidden, [hidden]


def lstm(inputs, state, kernel, recurrent_kernel, bias):
    """Hochreiter, Schmidhuber (1997) as in Keras: gates i, f, c, o."""
    hidden, carry = state
    biases = bias, np.zeros_like(bias)
    input_terms, hidden_terms = gates(inputs, hidden, kernel, recurrent_kernel, biases, 4)
    i, f, c, o = (x + h for x, h in zip(input_terms, hidden_terms, strict=True))
    carry = sigmoid(f) * carry + sigmoid(i) * reference.tanh(c)
    hidden = sigmoid(o) * reference.tanh(carry)
    return hidden, [hidden, carry]


def stack(*cells):
    """Stack cells on top of one another."""

    def step(inputs, state):
        next_states = []
        for cell, cell_state in zip(cells, state, strict=True):
            inputs, cell_state = cell(inputs, cell_state)
            next_states.append(cell_state)
        return inputs, next_states

    return step


def pooling(inputs, mask, kernel, bias, query, weigh=reference.softmax):
    """Yang et al. (2016): u_j = tanh(h_j W + b), a = softmax(u . u_w), sum_j a_j h_j; and a."""
    hidden = [reference.tanh(reference.times(x, kernel) + bias) for x in inputs]
    scores = [[reference.inner(h, query) for h in hidden]]
    context, weights = reference.attention(scores, inputs, [mask], weigh)
    return context[0], weights[0]


def attentional_vector(context, query, kernel):
    """Luong et al. (2015), equation 5: tanh(Wc [c; h])."""
    return reference.tanh(reference.times([*context, *query], kernel))


def decode_before(inputs, mask, state, cell, attend, top):
    """Bahdanau et al. (2015): c_i from query s_{i-1}; s_i from x_i, c_i and s_{i-1}.

    Args:
        inputs: x_i of every step.
        mask: For every step, True if it is not padding.
        state: s_0.
        cell: `cell(inputs, state)` returns the output and the next state.
        attend: `attend(query)` returns the context and the weights.
        top: `top(state)` returns the query.

    Returns:
        Outputs, contexts, weights, and the last state.
    """
    steps = []
    for x, is_unmasked in zip(inputs, mask, strict=True):
        context, weights = attend(top(state))
        output, next_state = cell(np.array([*x, *context]), state)
        steps.append([is_unmasked * part for part in (output, context, weights)])
        state = next_state if is_unmasked else state
    return *(np.array(part) for part in zip(*steps, strict=True)), state


def decode_after(inputs, mask, state, cell, attend, attentional=None):
    """Luong et al. (2015): the query is the cell's output h_t.

    With input feeding, `attentional` is h~_0, and h~_{t-1} is part of the inputs of step t;
    otherwise it is None. The other arguments are those of `decode_before`.
    """
    steps = []
    for x, is_unmasked in zip(inputs, mask, strict=True):
        output, next_state = cell(np.array(x if attentional is None else [*x, *attentional]), state)
        context, weights = attend(output)
        steps.append([is_unmasked * part for part in (output, context, weights)])
        if is_unmasked:
            state, attentional = next_state, None if attentional is None else context
    return *(np.array(part) for part in zip(*steps, strict=True)), state
