"""Rotary positions: a score that depends on how far apart query and key stand (Su et al. 2021)."""

import keras
from keras import ops

from keras_attention.layers.positions.angles import angles


def rotate(x, positions, base):
    """Turns the features 2i and 2i + 1, one complex number, by the position's i-th angle.

        (x[2i] + j x[2i + 1]) * exp(j * position / base^(2 i / width))

    A query turned by t and a key turned by s have the dot product of the query turned by t - s
    and the key as it is. (RoFormer, equations 13 to 15.)

    Args:
        x: `(batch, heads, T, width)`, width even, float32 or float64.
        positions: Integers `(batch, T)` or `(1, T)`.
        base: Base of the wavelengths, 10000 in the paper.

    Returns:
        Tensor like `x`.

    Reference:
        RoFormer: Enhanced Transformer with Rotary Position Embedding, Su et al. (2021), section
        3.2, https://arxiv.org/abs/2104.09864.
    """
    dtype = keras.backend.standardize_dtype(x.dtype)
    angle = ops.expand_dims(angles(positions, x.shape[-1], base, dtype), -3)
    cosine, sine = ops.cos(angle), ops.sin(angle)
    real, imaginary = x[..., 0::2], x[..., 1::2]
    turned = [real * cosine - imaginary * sine, real * sine + imaginary * cosine]
    return ops.reshape(ops.stack(turned, axis=-1), ops.shape(x))
