"""Rotary position embedding: scores depend on the distance of query and key (Su et al. 2021)."""

import keras
from keras import ops

from keras_attention.layers.positions.angles import compute_angles
from keras_attention.precision import at_least_float32, saturate_cast, score_dtype


def rotate(x, positions, base):
    """Rotate the features 2i and 2i + 1, read as a complex number, by the position's i-th angle.

        (x[2i] + j x[2i + 1]) * exp(j * position / base^(2 i / width))

    The dot product of a query rotated by position t and a key rotated by position s equals that of
    the query rotated by t - s and the unrotated key. (RoFormer, equations 13 to 15.)

    Args:
        x: `(batch, heads, T, width)`, width even, of any float dtype. Half precision is rotated
            in float32, because it cannot distinguish late positions.
        positions: Integers `(batch, T)` or `(1, T)`.
        base: Base of the wavelengths, 10000 in the paper.

    Returns:
        Tensor of the shape and dtype of `x`.

    Reference:
        RoFormer: Enhanced Transformer with Rotary Position Embedding, Su et al. (2021), section
        3.2, https://arxiv.org/abs/2104.09864.
    """
    dtype = keras.backend.standardize_dtype(x.dtype)
    x = at_least_float32(x)
    angle = compute_angles(positions, x.shape[-1], base, score_dtype(dtype))
    angle = ops.expand_dims(angle, -3)
    cosine, sine = ops.cos(angle), ops.sin(angle)
    real, imaginary = x[..., 0::2], x[..., 1::2]
    rotated = [real * cosine - imaginary * sine, real * sine + imaginary * cosine]
    rotated = ops.reshape(ops.stack(rotated, axis=-1), ops.shape(x))
    return saturate_cast(rotated, dtype)
