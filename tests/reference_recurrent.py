"""The recurrences of the papers in float64 and plain loops, for one sequence without a batch."""

import math

import numpy as np

from tests import reference


def sigmoid(vector):
    return np.array([1 / (1 + math.exp(-x)) for x in vector])


def gates(inputs, hidden, kernel, recurrent_kernel, biases, count):
    """The summands x W + b and h U + b' of every gate."""
    of_inputs = reference.times(inputs, kernel) + biases[0]
    of_hidden = reference.times(hidden, recurrent_kernel) + biases[1]
    return np.split(of_inputs, count), np.split(of_hidden, count)


def gru(inputs, state, kernel, recurrent_kernel, bias):
    """Cho et al. (2014) as Keras has it: gates z, r, candidate; reset after; z keeps the old."""
    (hidden,) = state
    (xz, xr, xh), (hz, hr, hh) = gates(inputs, hidden, kernel, recurrent_kernel, bias, 3)
    z, r = sigmoid(xz + hz), sigmoid(xr + hr)
    hidden = z * hidden + (1 - z) * reference.tanh(xh + r * hh)
    return hidden, [hidden]


def lstm(inputs, state, kernel, recurrent_kernel, bias):
    """Hochreiter, Schmidhuber (1997) as Keras has it: gates i, f, c, o."""
    hidden, carry = state
    biases = bias, np.zeros_like(bias)
    of_inputs, of_hidden = gates(inputs, hidden, kernel, recurrent_kernel, biases, 4)
    i, f, c, o = (x + h for x, h in zip(of_inputs, of_hidden, strict=True))
    carry = sigmoid(f) * carry + sigmoid(i) * reference.tanh(c)
    hidden = sigmoid(o) * reference.tanh(carry)
    return hidden, [hidden, carry]


def stack(*cells):
    """Cells on top of one another."""

    def step(inputs, state):
        following = []
        for cell, own in zip(cells, state, strict=True):
            inputs, own = cell(inputs, own)
            following.append(own)
        return inputs, following

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


def decode_before(inputs, real, state, cell, read, top):
    """Bahdanau et al. (2015): c_i is read by s_{i-1}, s_i made from x_i, c_i and s_{i-1}.

    `cell(inputs, state)` gives output and state, `read(query)` gives what is read and the weights,
    `top(state)` what asks. Returns outputs, what was read, weights, and the last state.
    """
    steps = []
    for x, is_real in zip(inputs, real, strict=True):
        attended, weights = read(top(state))
        output, following = cell(np.array([*x, *attended]), state)
        steps.append([is_real * part for part in (output, attended, weights)])
        state = following if is_real else state
    return *(np.array(part) for part in zip(*steps, strict=True)), state


def decode_after(inputs, real, state, cell, read, fed=None):
    """Luong et al. (2015): h_t first, which then reads; `fed` is h~_0 of input feeding, if any."""
    steps = []
    for x, is_real in zip(inputs, real, strict=True):
        output, following = cell(np.array(x if fed is None else [*x, *fed]), state)
        attended, weights = read(output)
        steps.append([is_real * part for part in (output, attended, weights)])
        if is_real:
            state, fed = following, None if fed is None else attended
    return *(np.array(part) for part in zip(*steps, strict=True)), state
