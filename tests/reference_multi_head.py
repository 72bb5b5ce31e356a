"""Multi-head attention and the Transformer's other parts, in float64 and plain Python loops.

Independent of the package, for one sequence: query (Tq, Dq), key (Tk, Dk), value (Tk, Dv), mask
(Tq, Tk). Kernels are those of the paper, one for each head: (D, width)."""

import cmath
import math

import numpy as np

from tests import reference


def split_heads(kernel, bias, heads):
    """Split a kernel and its bias into the parts of the heads."""
    kernel = np.asarray(kernel, "float64")
    bias = np.zeros(kernel.shape[1]) if bias is None else np.asarray(bias, "float64")
    width = kernel.shape[1] // heads
    return [
        (kernel[:, h * width : (h + 1) * width], bias[h * width : (h + 1) * width])
        for h in range(heads)
    ]


def project(sequence, kernel, bias):
    """Compute x W + b for every position."""
    return np.array([reference.times(x, kernel) + bias for x in sequence])


def rotate(vectors, positions, base):
    """Su et al. (2021): pairs of features as complex numbers, times exp(j m theta_i)."""
    rotated = np.zeros(np.shape(vectors))
    for row, position in enumerate(positions):
        width = len(vectors[row])
        for i in range(width // 2):
            number = complex(vectors[row][2 * i], vectors[row][2 * i + 1])
            number *= cmath.exp(1j * position * base ** (-2 * i / width))
            rotated[row][2 * i], rotated[row][2 * i + 1] = number.real, number.imag
    return rotated


def multi_head(query, key, value, weights, heads, groups=None, mask=None, base=None, bias=None):
    """Vaswani et al. (2017), section 3.2.2: output (Tq, Dq) and weights (heads, Tq, Tk).

    `weights` are [query, key, value, output] x (kernel, bias or None). `groups` heads of keys and
    values are shared by `heads` heads of queries, in consecutive groups. `bias` (heads, Tq, Tk) is
    added to the scores (Raffel et al. 2020, section 2.1). Fully masked queries get zeros.
    """
    (query_weights, key_weights, value_weights, (output_kernel, output_bias)) = weights
    groups = groups or heads
    query_parts = split_heads(*query_weights, heads)
    key_parts, value_parts = split_heads(*key_weights, groups), split_heads(*value_weights, groups)
    contexts, all_rows = [], []
    for head in range(heads):
        group = head // (heads // groups)
        queries, keys = project(query, *query_parts[head]), project(key, *key_parts[group])
        if base is not None:
            queries = rotate(queries, range(len(key) - len(query), len(key)), base)
            keys = rotate(keys, range(len(key)), base)
        scores = reference.scaled_dot(queries, keys)
        scores = scores if bias is None else scores + np.asarray(bias[head], "float64")
        context, rows = reference.attention(scores, project(value, *value_parts[group]), mask)
        contexts.append(context)
        all_rows.append(rows)
    output_bias = np.zeros(np.shape(output_kernel)[1]) if output_bias is None else output_bias
    output = project(np.concatenate(contexts, axis=1), np.asarray(output_kernel), output_bias)
    for i in range(len(query)):
        if mask is not None and not any(mask[i]):
            output[i] = 0
    return output, np.array(all_rows)


def positional_encoding(positions, width, base=10000.0):
    """Vaswani et al. (2017), section 3.5: sin at even features, cos at odd ones."""
    encoding = np.zeros((len(positions), width))
    for row, position in enumerate(positions):
        for feature in range(width):
            angle = position / base ** (2 * (feature // 2) / width)
            encoding[row, feature] = math.cos(angle) if feature % 2 else math.sin(angle)
    return encoding


def layer_norm(sequence, gamma, beta, epsilon=1e-6):
    """Ba et al. (2016): normalize each position by its own mean and variance."""
    normalized = []
    for x in sequence:
        mean = sum(x) / len(x)
        variance = sum((v - mean) ** 2 for v in x) / len(x)
        normalized.append((x - mean) / math.sqrt(variance + epsilon) * gamma + beta)
    return np.array(normalized)


def feed_forward(sequence, first, first_bias, second, second_bias):
    """max(0, x W1 + b1) W2 + b2 for every position."""
    hidden = [[max(0.0, h) for h in reference.times(x, first) + first_bias] for x in sequence]
    return np.array([reference.times(h, second) + second_bias for h in hidden])


def residual(norm, x, sublayer, gamma, beta):
    """Post-norm: LN(x + f(x)); pre-norm: x + f(LN(x))."""
    if norm == "post":
        return layer_norm(x + sublayer(x), gamma, beta)
    return x + sublayer(layer_norm(x, gamma, beta))
