"""Glimpses: square crops of an image around a center, at several scales."""

from keras import ops

from keras_attention import arguments
from keras_attention.tensors import check_tensors
from keras_attention.types import Tensor


def glimpse(images: Tensor, centers: Tensor, size: int, scales: int = 1) -> Tensor:
    """Cut a square around a point out of each image, at several scales.

    Scale n is a square of `size * 2**n` pixels, whose blocks of `2**n` x `2**n` pixels are
    averaged: the larger the square, the coarser it is. Pixels outside of an image are 0. Squares
    are cut at whole pixels: the row of the center is `round((r + 1) / 2 * (H - 1))`, and the square
    begins `size * 2**n // 2` pixels before it. The columns likewise.

    Args:
        images: `(batch, H, W, C)`, of any dtype; H, W and C are known.
        centers: `(batch, 2)`, row and column in [-1, 1], from the first to the last pixel; values
            beyond are clipped. The result has no gradient to them.
        size: Side of the smallest square in pixels.
        scales: Number of scales.

    Returns:
        `(batch, scales, size, size, C)`. With a single scale it has the dtype of the images,
        otherwise integers become float32.

    Raises:
        ValueError: If an argument or a shape is not as described.

    Example:
    >>> image = np.arange(25).reshape(1, 5, 5, 1)
    >>> keras_attention.read.glimpse(image, np.array([[-1.0, 1.0]]), size=3)[0, 0, :, :, 0].numpy()
    array([[0, 0, 0],
           [3, 4, 0],
           [8, 9, 0]])

    Reference:
        Recurrent Models of Visual Attention, Mnih, Heess, Graves, Kavukcuoglu (2014), section 3.1,
        https://arxiv.org/abs/1406.6247. The paper does not specify rounding and averaging.
    """
    arguments.positive_integer("size", size)
    arguments.positive_integer("scales", scales)
    check_tensors("images", images)
    check_tensors("centers", centers)
    images, centers = ops.convert_to_tensor(images), ops.convert_to_tensor(centers)
    shape, centers_shape = tuple(images.shape), tuple(centers.shape)
    is_image = len(shape) == 4 and None not in shape[1:] and 0 not in shape[1:]
    if not is_image or len(centers_shape) != 2 or centers_shape[1] != 2:
        raise ValueError(
            "Expected `images` (batch, H, W, C) with known H, W and C, and `centers` (batch, 2). "
            f"Received: images of shape {shape}, centers of shape {centers_shape}"
        )
    centers = ops.clip(ops.stop_gradient(ops.cast(centers, "float32")), -1.0, 1.0)
    pixels = ops.round((centers + 1) / 2 * (ops.convert_to_tensor(shape[1:3], "float32") - 1))
    pixels = ops.cast(pixels, "int32")
    squares = [_average(_crop(images, pixels, size * 2**n), size, 2**n) for n in range(scales)]
    if scales > 1:
        squares[0] = ops.cast(squares[0], squares[1].dtype)
    return ops.stack(squares, axis=1)


def _crop(images, pixels, side):
    """Return the squares `(batch, side, side, C)` that begin `side // 2` before the pixels."""
    _, height, width, channels = images.shape
    offsets = ops.arange(side, dtype="int32") - side // 2
    rows, columns = pixels[:, :1] + offsets, pixels[:, 1:] + offsets
    is_inside = ops.logical_and(
        _is_within(rows, height)[:, :, None], _is_within(columns, width)[:, None]
    )
    rows, columns = ops.clip(rows, 0, height - 1), ops.clip(columns, 0, width - 1)
    indices = ops.reshape(rows[:, :, None] * width + columns[:, None], (-1, side * side, 1))
    flat = ops.reshape(images, (-1, height * width, channels))
    squares = ops.reshape(ops.take_along_axis(flat, indices, axis=1), (-1, side, side, channels))
    return ops.where(is_inside[..., None], squares, ops.zeros((), squares.dtype))


def _is_within(index, size):
    return ops.logical_and(index >= 0, index < size)


def _average(squares, size, factor):
    """Average blocks of `factor` x `factor` pixels."""
    if factor == 1:
        return squares
    blocks = ops.reshape(squares, (-1, size, factor, size, factor, squares.shape[-1]))
    return ops.mean(blocks, axis=(2, 4))
