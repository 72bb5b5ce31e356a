"""The Neural Turing Machine (Graves et al. 2014) for batches."""

import numpy as np

from tests import reference, reference_memory

EPSILON = 1e-12  # in the documented formula, which makes the logarithm of a weight of 0 finite


def address(key, strength, gate, amounts, sharpness, previous, memory):
    """Return the addresses `(batch, heads, slots)`: equations 5 to 9.

    Args:
        key: `(batch, heads, width)`; strength, gate, sharpness: `(batch, heads)`; amounts:
            `(batch, heads, shifts)`; previous: `(batch, heads, slots)`; memory: `(batch, slots,
            width)`.
    """
    results = np.zeros(previous.shape)
    for b, h in np.ndindex(strength.shape):
        row = reference_memory.content(key[b, h], strength[b, h], memory[b])
        row = reference_memory.interpolate(row, previous[b, h], gate[b, h])
        row = reference_memory.shift(row, amounts[b, h])
        results[b, h] = sharpen(row, sharpness[b, h])
    return results


def sharpen(row, sharpness):
    """Equation 9, computed from logarithms, because large powers of small weights are 0 / 0."""
    return np.array(reference.softmax([sharpness * np.log(weight + EPSILON) for weight in row]))


def write(memory, addresses, erasures, additions):
    """Return the memories after equations 3 and 4."""
    return np.array(
        [
            reference_memory.write(*parts)
            for parts in zip(memory, addresses, erasures, additions, strict=True)
        ]
    )


def read(addresses, memory):
    """Return the vectors that are read: equation 2."""
    return np.array([reference.weighted_sum(a, m) for a, m in zip(addresses, memory, strict=True)])


def machine(inputs, weights, slots, write_heads):
    """Return outputs `(batch, T, units)` of `reference_memory.machine` for every sequence."""
    return np.array(
        [
            reference_memory.machine(x, *weights, slots=slots, write_heads=write_heads)[0]
            for x in inputs
        ]
    )
