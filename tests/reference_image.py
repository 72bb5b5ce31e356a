"""SAGAN's attention over one image (H, W, C), in float64 and plain Python loops."""

import itertools

import numpy as np

from tests import reference


def positions(image):
    """The pixels row by row, (H W, C)."""
    height, width, _ = np.shape(image)
    return [image[i][j] for i in range(height) for j in range(width)]


def pooled(image):
    """The largest of every 2x2 window, channel by channel; the last windows may be smaller."""
    height, width, channels = np.shape(image)
    actual = np.full(((height + 1) // 2, (width + 1) // 2, channels), -np.inf)
    for i, j, c in itertools.product(range(height), range(width), range(channels)):
        actual[i // 2, j // 2, c] = max(actual[i // 2, j // 2, c], image[i][j][c])
    return actual


def self_attention_2d(
    image, gamma, query_kernel, key_kernel, value_kernel, output_kernel=None, pool_keys=False
):
    """Zhang et al. (2019), equations 1 to 3: beta_ji = softmax_i f(x_i) . g(x_j); y = gamma o + x.

    Returns the image y and beta, (H W, positions attended).
    """
    height, width, channels = np.shape(image)

    def convolved(kernel):
        return np.array([[reference.times(pixel, kernel) for pixel in row] for row in image])

    keys, values = convolved(key_kernel), convolved(value_kernel)
    if pool_keys:
        keys, values = pooled(keys), pooled(values)
    scores = reference.dot(positions(convolved(query_kernel)), positions(keys))
    read, weights = reference.attention(scores, positions(values))
    if output_kernel is not None:
        read = np.array([reference.times(vector, output_kernel) for vector in read])
    return gamma * np.reshape(read, (height, width, channels)) + np.asarray(image), weights
