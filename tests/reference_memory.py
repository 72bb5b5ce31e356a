"""The Neural Turing Machine's equations (Graves et al. 2014) in float64 and plain Python loops.

Independent of the package. For one sequence without a batch axis: memory (N, M), a head's address
(N,)."""

import math

import numpy as np

from tests import reference
from tests.reference_recurrent import lstm, sigmoid


def content(key, strength, memory):
    """Equations 5 and 6: exp(beta K[k, M(i)]) / sum_j exp(beta K[k, M(j)]), K the cosine.

    A vector that is shorter than 1e-6 is divided by 1e-6 instead of by its length.
    """

    def length(vector):
        return max(math.sqrt(reference.inner(vector, vector)), 1e-6)

    def cosine(row):
        return reference.inner(key, row) / (length(key) * length(row))

    return np.array(reference.softmax([strength * cosine(row) for row in memory]))


def interpolate(address, previous, gate):
    """Equation 7: g w_c + (1 - g) w_{t-1}."""
    return np.array([gate * a + (1 - gate) * p for a, p in zip(address, previous, strict=True)])


def shift(address, amounts):
    """Equation 8: sum_j w(j) s(i - j), indices modulo N; amounts are those of -R, ..., R."""
    slots, max_shift = len(address), len(amounts) // 2
    by_shift = np.zeros(slots)
    for k, amount in enumerate(amounts):
        by_shift[(k - max_shift) % slots] += amount
    return np.array(
        [sum(address[j] * by_shift[(i - j) % slots] for j in range(slots)) for i in range(slots)]
    )


def sharpen(address, sharpness):
    """Equation 9: w(i)^gamma / sum_j w(j)^gamma."""
    powers = [weight**sharpness for weight in address]
    return np.array([power / sum(powers) for power in powers])


def read(address, memory):
    """Equation 2: sum_i w(i) M(i)."""
    return reference.times(address, memory)


def write(memory, addresses, erasures, additions):
    """Equations 3 and 4 for several heads: every erasure, then every addition."""
    memory = np.array(memory, "float64")
    for address, erasure in zip(addresses, erasures, strict=True):
        for i, j in np.ndindex(memory.shape):
            memory[i, j] *= 1 - address[i] * erasure[j]
    for address, addition in zip(addresses, additions, strict=True):
        for i, j in np.ndindex(memory.shape):
            memory[i, j] += address[i] * addition[j]
    return memory


def softplus(x):
    return float(np.logaddexp(0, x))


def addressing(numbers, previous, memory):
    """Compute a head's address from its k, beta, g, gamma, s, in this order, before activation."""
    width = memory.shape[1]
    key, (strength, gate, sharpness), amounts = np.split(numbers, [width, width + 3])
    address = content(reference.tanh(key), softplus(strength), memory)
    address = interpolate(address, previous, sigmoid([gate])[0])
    address = shift(address, reference.softmax(list(amounts)))
    return sharpen(address, 1 + softplus(sharpness))


def machine(inputs, address_start, read_start, *weights, slots, write_heads=1):
    """Run a whole sequence: outputs (T, units), addresses (T, heads, slots) and the last memory.

    Weights are in the cell's order: h, c, kernel, recurrent kernel and bias of an LSTM, or kernel
    and bias of a feed-forward controller; then kernel and bias of the heads and of the output.
    """
    *controller, head_kernel, head_bias, output_kernel, output_bias = weights
    heads, (read_heads, width) = len(address_start), read_start.shape
    memory = np.full((slots, width), 1e-6)
    addresses = [np.array(reference.softmax(list(row))) for row in address_start]
    reads = [reference.tanh(row) for row in read_start]
    state = controller[:2]
    outputs, all_addresses = [], []
    for x in inputs:
        x = np.concatenate([x, *reads])
        if len(controller) == 2:
            control = reference.tanh(reference.times(x, controller[0]) + controller[1])
        else:
            control, state = lstm(x, state, *controller[2:])
        numbers = reference.times(control, head_kernel) + head_bias
        write_size = 2 * width * write_heads
        address_numbers = np.split(numbers[: len(numbers) - write_size], heads)
        writing = np.reshape(numbers[len(numbers) - write_size :], (write_heads, 2, width))
        addresses = [
            addressing(n, a, memory) for n, a in zip(address_numbers, addresses, strict=True)
        ]
        reads = [read(address, memory) for address in addresses[:read_heads]]
        erasures, additions = ([w[i] for w in writing] for i in (0, 1))
        memory = write(
            memory,
            addresses[read_heads:],
            [sigmoid(e) for e in erasures],
            [reference.tanh(a) for a in additions],
        )
        features = np.concatenate([control, *reads])
        outputs.append(reference.times(features, output_kernel) + output_bias)
        all_addresses.append(addresses)
    return np.array(outputs), np.array(all_addresses), memory
