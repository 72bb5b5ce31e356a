"""SAGAN's attention over one image (H, W, C), in float64 and plain Python loops."""

import itertools

import numpy as np

from tests import reference


def positions(image):
    """Return the pixels in row-major order, (H W, C)."""
    height, width, _ = np.shape(image)
    return [image[i][j] for i in range(height) for j in range(width)]


def max_pool(image):
    """Take the maximum of every 2x2 window in each channel; the last windows may be smaller."""
    height, width, channels = np.shape(image)
    maxima = np.full(((height + 1) // 2, (width + 1) // 2, channels), -np.inf)
    for i, j, c in itertools.product(range(height), range(width), range(channels)):
        maxima[i // 2, j // 2, c] = max(maxima[i // 2, j // 2, c], image[i][j][c])
    return maxima


def self_attention_2d(
    image, gamma, query_kernel, key_kernel, value_kernel, output_kernel=None, pool_keys=False
):
    """Zhang et al. (2019), equations 1 to 3: beta_ji = softmax_i f(x_i) . g(x_j); y = gamma o + x.

    Returns the image y and the weights beta, (H W, number of keys).
    """
    height, width, channels = np.shape(image)

    def convolve(kernel):
        return np.array([[reference.times(pixel, kernel) for pixel in row] for row in image])

    keys, values = convolve(key_kernel), convolve(value_kernel)
    if pool_keys:
        keys, values = max_pool(keys), max_pool(values)
    scores = reference.dot(positions(convolve(query_kernel)), positions(keys))
    context, weights = reference.attention(scores, positions(values))
    if output_kernel is not None:
        context = np.array([reference.times(vector, output_kernel) for vector in context])
    return gamma * np.reshape(context, (height, width, channels)) + np.asarray(image), weights
