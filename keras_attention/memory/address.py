"""The four addressing steps of the Neural Turing Machine, equations 5 to 9.

An address is a distribution over the slots of the memory, one for each head: `(batch, heads,
slots)`. All steps compute in float32 (float64 for float64 inputs); a `batch` of 1 is broadcast.

Reference:
    Neural Turing Machines, Graves, Wayne, Danihelka (2014), section 3.3,
    https://arxiv.org/abs/1410.5401.
"""

from keras import ops

from keras_attention.normalize import softmax
from keras_attention.precision import at_least_float32
from keras_attention.score.cosine import normalize_length
from keras_attention.types import Tensor

# Added to weights before the logarithm, which would be infinite at a weight of 0.
LOG_EPSILON = 1e-12


def content(key: Tensor, strength: Tensor, memory: Tensor) -> Tensor:
    """Address the slots that are similar to the key: `softmax_i(strength cos(key, memory_i))`.

    Equations 5 and 6. The cosine with a slot of zeros is 0, and so is its gradient.

    Args:
        key: `(batch, heads, width)`, k in the paper.
        strength: `(batch, heads)`, above 0; beta in the paper.
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


def interpolate(address: Tensor, previous: Tensor, gate: Tensor) -> Tensor:
    """Interpolate between two addresses: `gate address + (1 - gate) previous`.

    Equation 7. With gate 0 the content address is ignored, with gate 1 the previous one is.

    Args:
        address: This step's content address `(batch, heads, slots)`.
        previous: The previous step's address `(batch, heads, slots)`.
        gate: `(batch, heads)`, in [0, 1]; g in the paper.

    Returns:
        Address `(batch, heads, slots)`.

    Example:
    >>> address, previous = np.array([[[1.0, 0.0]], [[1.0, 0.0]]]), np.array([[[0.0, 1.0]]] * 2)
    >>> keras_attention.memory.interpolate(address, previous, np.array([[0.0], [0.25]])).numpy()
    array([[[0.  , 1.  ]],
           [[0.25, 0.75]]])
    """
    gate = ops.expand_dims(at_least_float32(gate), -1)
    from_previous = ops.multiply(1 - gate, at_least_float32(previous))
    return ops.add(ops.multiply(gate, at_least_float32(address)), from_previous)


def shift(address: Tensor, amounts: Tensor) -> Tensor:
    """Convolve the address with a distribution over circular shifts.

    Equation 8: `out[i] = sum_k amounts[k] address[(i - k) mod slots]` with k from -R to R. Computed
    as a sum of 2R + 1 rolled addresses, so that no slots x slots matrix is built.

    Args:
        address: `(batch, heads, slots)`.
        amounts: `(batch, heads, 2R + 1)`, a distribution over the shifts -R, ..., 0, ..., R; s in
            the paper. The shift R moves the weight of slot i to slot (i + R) mod slots.

    Returns:
        Address `(batch, heads, slots)`.

    Raises:
        ValueError: If the number of shifts is even.

    Example:
    >>> address, forward = np.array([[[0.9, 0.1, 0.0]]]), np.array([[[0.0, 0.0, 1.0]]])
    >>> keras_attention.memory.shift(address, forward).numpy()
    array([[[0. , 0.9, 0.1]]])
    """
    address, amounts = at_least_float32(address), at_least_float32(amounts)
    if amounts.shape[-1] % 2 == 0:
        raise ValueError(
            "Expected an odd number of `amounts`, one for each of the shifts -R to R. "
            f"Received: amounts of shape {tuple(amounts.shape)}"
        )
    max_shift = amounts.shape[-1] // 2
    # Unstacked, because the gradients of several slices would be padded and added.
    columns = [ops.expand_dims(x, -1) for x in ops.unstack(amounts, axis=-1)]
    shifted = ops.multiply(columns[max_shift], address)  # the shift of 0
    for k in (*range(-max_shift, 0), *range(1, max_shift + 1)):
        rolled = ops.multiply(columns[k + max_shift], ops.roll(address, k, axis=-1))
        shifted = ops.add(shifted, rolled)
    return shifted


def sharpen(address: Tensor, sharpness: Tensor) -> Tensor:
    """Sharpen a blurred address: `address^sharpness / sum_j address_j^sharpness`.

    Equation 9. Computed as a softmax of logarithms, which has a finite gradient at a weight of 0.

    Args:
        address: `(batch, heads, slots)`.
        sharpness: `(batch, heads)`, at least 1; gamma in the paper.

    Returns:
        Address `(batch, heads, slots)`.

    Example:
    >>> address, sharpness = np.array([[[0.75, 0.25, 0.0]]]), np.array([[2.0]])
    >>> keras_attention.memory.sharpen(address, sharpness).numpy().round(3)
    array([[[0.9, 0.1, 0. ]]])
    """
    logarithms = ops.log(at_least_float32(address) + LOG_EPSILON)
    return softmax(ops.multiply(ops.expand_dims(sharpness, -1), logarithms))
