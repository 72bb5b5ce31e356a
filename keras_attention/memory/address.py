"""Where to look: the four steps from what a head says to its address, equations 5 to 9.

An address is a distribution over the memory's slots, `(batch, heads, slots)`. All steps compute in
float32 at least; `batch` may be 1, and each head has an address of its own.

Reference:
    Neural Turing Machines, Graves, Wayne, Danihelka (2014), section 3.3,
    https://arxiv.org/abs/1410.5401.
"""

from keras import ops

from keras_attention.normalize import softmax
from keras_attention.precision import at_least_float32
from keras_attention.score.cosine import normalize_length

NOTHING = 1e-12  # stands for a weight of 0, whose logarithm would be infinite


def content(key, strength, memory):
    """Slots that hold something like the key: `softmax_i(strength cos(key, memory_i))`.

    Equations 5 and 6. A slot of zeros is like nothing (cosine 0), with a finite gradient.

    Args:
        key: `(batch, heads, width)`, k in the paper.
        strength: `(batch, heads)`, above 0, beta in the paper.
        memory: `(batch, slots, width)`.

    Returns:
        Address `(batch, heads, slots)`.

    Example:
    >>> memory = np.array([[[1.0, 0.0], [0.0, 2.0], [0.0, 0.0]]], "float32")
    >>> key, strength = np.array([[[0.0, 1.0]]], "float32"), np.array([[9.0]], "float32")
    >>> keras_attention.memory.content(key, strength, memory).numpy().round(3)
    array([[[0., 1., 0.]]], dtype=float32)
    """
    key, memory = (
        normalize_length(at_least_float32(key)),
        normalize_length(at_least_float32(memory)),
    )
    cosines = ops.matmul(key, ops.swapaxes(memory, -1, -2))
    return softmax(ops.multiply(cosines, ops.expand_dims(strength, -1)))


def interpolate(address, previous, gate):
    """Between this step's content and the step before: `gate address + (1 - gate) previous`.

    Equation 7: with gate 0 the content is not looked at, with gate 1 the past is forgotten.

    Args:
        address: `(batch, heads, slots)`.
        previous: `(batch, heads, slots)`.
        gate: `(batch, heads)`, in [0, 1], g in the paper.

    Returns:
        Address `(batch, heads, slots)`.

    Example:
    >>> address, previous = np.array([[[1.0, 0.0]], [[1.0, 0.0]]]), np.array([[[0.0, 1.0]]] * 2)
    >>> keras_attention.memory.interpolate(address, previous, np.array([[0.0], [0.25]])).numpy()
    array([[[0.  , 1.  ]],
           [[0.25, 0.75]]])
    """
    gate = ops.expand_dims(at_least_float32(gate), -1)
    kept = ops.multiply(1 - gate, at_least_float32(previous))
    return ops.add(ops.multiply(gate, at_least_float32(address)), kept)


def shift(address, amounts):
    """Moves the address round the ring of slots, by several amounts at once.

    Equation 8, a circular convolution: `out[i] = sum_k amounts[k] address[(i - k) mod slots]` with
    k from -R to R. A sum of 2R + 1 rolled addresses: no slots x slots matrix is built.

    Args:
        address: `(batch, heads, slots)`.
        amounts: `(batch, heads, 2R + 1)`, a distribution over the shifts -R, ..., 0, ..., R; s in
            the paper. The last moves slot i to slot i + R, and the last slots to the first.

    Returns:
        Address `(batch, heads, slots)`.

    Raises:
        ValueError: If the number of amounts is even.

    Example:
    >>> address, forward = np.array([[[0.9, 0.1, 0.0]]]), np.array([[[0.0, 0.0, 1.0]]])
    >>> keras_attention.memory.shift(address, forward).numpy()
    array([[[0. , 0.9, 0.1]]])
    """
    address, amounts = at_least_float32(address), at_least_float32(amounts)
    if amounts.shape[-1] % 2 == 0:
        raise ValueError(
            "Expected `amounts` for the shifts -R to R, an odd number of them. "
            f"Received: amounts of shape {tuple(amounts.shape)}"
        )
    farthest = amounts.shape[-1] // 2
    return sum(
        ops.multiply(amounts[..., k + farthest, None], ops.roll(address, k, axis=-1))
        for k in range(-farthest, farthest + 1)
    )


def sharpen(address, sharpness):
    """Undoes what shifting blurred: `address^sharpness / sum_j address_j^sharpness`.

    Equation 9, computed as a softmax of logarithms: so the gradient is finite at a weight of 0.

    Args:
        address: `(batch, heads, slots)`.
        sharpness: `(batch, heads)`, at least 1, gamma in the paper.

    Returns:
        Address `(batch, heads, slots)`.

    Example:
    >>> address, sharpness = np.array([[[0.75, 0.25, 0.0]]]), np.array([[2.0]])
    >>> keras_attention.memory.sharpen(address, sharpness).numpy().round(3)
    array([[[0.9, 0.1, 0. ]]])
    """
    logarithms = ops.log(at_least_float32(address) + NOTHING)
    return softmax(ops.multiply(ops.expand_dims(sharpness, -1), logarithms))
