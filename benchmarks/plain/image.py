"""SAGAN's attention over all pairs of positions, directly by its equations."""

from keras import ops


def attend_to_image(image, gamma, query, key, value, output):
    """Return attended images `(batch, side, side, C)`.

    `query`, `key`, `value` and `output` are the kernels of 1x1 convolutions.
    """
    batch, height, width, channels = image.shape
    x = ops.reshape(image, (batch, height * width, channels))
    queries, keys, values = (ops.matmul(x, kernel) for kernel in (query, key, value))
    weights = ops.softmax(ops.einsum("bjc,bic->bji", queries, keys), axis=-1)
    context = ops.matmul(ops.einsum("bji,bic->bjc", weights, values), output)
    return ops.reshape(gamma * context + x, (batch, height, width, channels))
