"""Glimpses at an image, one after the other (Mnih et al. 2014), in loops over pixels."""

import numpy as np

from tests import reference


def cut(image, center, size, scales):
    """Return the pixels of all scales as one list; outside of the image they are 0.

    Args:
        image: `(H, W, C)`.
        center: Row and column in [-1, 1].
        size: Side of the smallest square.
        scales: Number of squares; each one is twice as large as the one before and averaged.
    """
    height, width, channels = image.shape
    row, column = (
        int(np.round((c + 1) / 2 * (n - 1))) for c, n in zip(center, (height, width), strict=True)
    )
    pixels = []
    for scale in range(scales):
        factor = 2**scale
        top, left = row - size * factor // 2, column - size * factor // 2
        for i in range(size):
            for j in range(size):
                total = np.zeros(channels)
                for y in range(top + i * factor, top + (i + 1) * factor):
                    for x in range(left + j * factor, left + (j + 1) * factor):
                        if 0 <= y < height and 0 <= x < width:
                            total = total + image[y, x]
                pixels.extend(total / factor**2)
    return pixels


def dense(x, kernel, bias):
    return reference.times(x, kernel) + bias


def relu(x):
    return np.maximum(x, 0)


def look(image, first, weights, glimpses, size, scales, cell, state, centers=None):
    """Return the last output and the locations `(glimpses, 2)`.

    Args:
        image: `(H, W, C)`.
        first: The first location.
        weights: Dict of [kernel, bias] by the layer's name; "locator_hidden" may be missing.
        glimpses, size, scales: As in the layer.
        cell: Function of features and state that returns the output and the next state.
        state: The first state.
        centers: The locations to look at instead of the computed ones, or None.
    """
    center, computed = np.asarray(first), [np.asarray(first)]
    for t in range(glimpses):
        place = center if centers is None else centers[t]
        content = relu(dense(cut(image, place, size, scales), *weights["sensor"]))
        where = relu(dense(place, *weights["location"]))
        features = dense(content, *weights["join_sensor"]) + dense(where, *weights["join_location"])
        output, state = cell(relu(features), state)
        if t == glimpses - 1:
            break
        hidden = output
        if "locator_hidden" in weights:
            hidden = relu(dense(output, *weights["locator_hidden"]))
        center = reference.tanh(dense(hidden, *weights["locator"]))
        computed.append(center)
    return output, np.array(computed)
