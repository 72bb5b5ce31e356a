"""SAGAN's attention over all pairs of positions, as its equations stand."""

from keras import ops


def self_attention(image, gamma, query, key, value, output):
    """`(batch, side, side, C)` -> the same; kernels of 1x1 convolutions."""
    batch, height, width, channels = image.shape
    x = ops.reshape(image, (batch, height * width, channels))
    asked, keys, values = (ops.matmul(x, kernel) for kernel in (query, key, value))
    weights = ops.softmax(ops.einsum("bjc,bic->bji", asked, keys), axis=-1)
    context = ops.matmul(ops.einsum("bji,bic->bjc", weights, values), output)
    return ops.reshape(gamma * context + x, (batch, height, width, channels))
