"""The two write steps of the Neural Turing Machine: erase, then add.

Both compute in float32 (float64 for float64 inputs) and return the memory in that dtype.

Reference:
    Neural Turing Machines, Graves, Wayne, Danihelka (2014), section 3.2, equations 3 and 4,
    https://arxiv.org/abs/1410.5401.
"""

from keras import ops

from keras_attention.precision import at_least_float32
from keras_attention.types import Tensor


def erase(memory: Tensor, address: Tensor, erasure: Tensor) -> Tensor:
    """Compute `memory_i * prod_h (1 - address_hi erasure_h)`.

    Equation 3. A slot addressed with weight 1 and erased with 1 becomes 0. The erasures of several
    heads commute, so that their order does not matter.

    Args:
        memory: `(batch, slots, width)`.
        address: `(batch, heads, slots)`.
        erasure: `(batch, heads, width)`, in [0, 1]; e in the paper.

    Returns:
        Memory `(batch, slots, width)`.

    Example:
    >>> memory, address = np.ones((1, 2, 3), "float32"), np.array([[[0.0, 1.0]]], "float32")
    >>> keras_attention.memory.erase(memory, address, np.ones((1, 1, 3), "float32")).numpy()
    array([[[1., 1., 1.], [0., 0., 0.]]], dtype=float32)
    """
    memory, address, erasure = map(at_least_float32, (memory, address, erasure))
    for head in range(address.shape[1]):
        erased = ops.multiply(address[:, head, :, None], erasure[:, head, None, :])
        memory = ops.multiply(memory, ops.subtract(1, erased))
    return memory


def add(memory: Tensor, address: Tensor, addition: Tensor) -> Tensor:
    """Compute `memory_i + sum_h address_hi addition_h`, equation 4.

    Args:
        memory: `(batch, slots, width)`.
        address: `(batch, heads, slots)`.
        addition: `(batch, heads, width)`; a in the paper.

    Returns:
        Memory `(batch, slots, width)`.

    Example:
    >>> memory, address = np.ones((1, 2, 2), "float32"), np.array([[[0.0, 1.0]]], "float32")
    >>> keras_attention.memory.add(memory, address, np.array([[[5.0, -2.0]]], "float32")).numpy()
    array([[[ 1.,  1.], [ 6., -1.]]], dtype=float32)
    """
    memory, address, addition = map(at_least_float32, (memory, address, addition))
    return ops.add(memory, ops.matmul(ops.swapaxes(address, -1, -2), addition))
