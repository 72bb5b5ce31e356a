"""The recurrences of the papers in float64 and plain loops, for one sequence without a batch."""

import math

import numpy as np

from tests import reference


def sigmoid(vector):
    return np.array([1 / (1 + math.exp(min(-x, 700.0))) for x in vector])  # e^710 is too large


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


def pooling(inputs, mask, kernel, bias, query):
    """Yang et al. (2016): u_j = tanh(h_j W + b), a = softmax(u . u_w), sum_j a_j h_j; and a."""
    hidden = [reference.tanh(reference.times(x, kernel) + bias) for x in inputs]
    scores = [[reference.inner(h, query) for h in hidden]]
    context, weights = reference.attention(scores, inputs, [mask])
    return context[0], weights[0]


def attentional_vector(context, query, kernel):
    """Luong et al. (2015), equation 5: tanh(Wc [c; h])."""
    return reference.tanh(reference.times([*context, *query], kernel))


def decode_before(inputs, real, state, cell, attend, top):
    """Bahdanau et al. (2015): c_i from query s_{i-1}; s_i from x_i, c_i and s_{i-1}.

    `cell(inputs, state)` returns output and state, `attend(query)` context and weights, and
    `top(state)` the query. Returns outputs, contexts, weights, and the last state.
    """
    steps = []
    for x, is_real in zip(inputs, real, strict=True):
        context, weights = attend(top(state))
        output, next_state = cell(np.array([*x, *context]), state)
        steps.append([is_real * part for part in (output, context, weights)])
        state = next_state if is_real else state
    return *(np.array(part) for part in zip(*steps, strict=True)), state


def decode_after(inputs, real, state, cell, attend, fed=None):
    """Luong et al. (2015): h_t is the query; `fed` is h~_0 with input feeding, or None."""
    steps = []
    for x, is_real in zip(inputs, real, strict=True):
        output, next_state = cell(np.array(x if fed is None else [*x, *fed]), state)
        context, weights = attend(output)
        steps.append([is_real * part for part in (output, context, weights)])
        if is_real:
            state, fed = next_state, None if fed is None else context
    return *(np.array(part) for part in zip(*steps, strict=True)), state
