"""Check that shapes fit before a backend broadcasts them, so that errors name the argument."""

from typing import Any

from keras import ops


def check_broadcastable(name: str, x: Any, target: str, shape: Any) -> None:
    """Raise a ValueError if `x` cannot be broadcast to `shape`, the shape of `target`.

    Broadcasting must not enlarge the target. Sizes that are unknown until run time are not checked.

    Args:
        name: Name of the argument `x`, for the error message.
        x: Tensor, array or nested lists.
        target: Name of the target, such as "scores", for the error message.
        shape: Shape of the target; None = an unknown size.

    Example:
    >>> from keras_attention.mask.broadcastable import check_broadcastable
    >>> check_broadcastable("mask", np.ones((3, 1), bool), "scores", (2, 3, None))
    """
    actual, shape = _get_shape(x), tuple(shape)
    if len(actual) > len(shape) or not _have_matching_sizes(actual, shape, is_one_way=True):
        raise ValueError(
            f"Expected `{name}` to be broadcastable to the {target} of shape {shape}. "
            f"Received: {name} of shape {actual}"
        )


def check_masks_match(masks: Any) -> None:
    """Raise a ValueError if masks do not broadcast against one another."""
    shapes = [_get_shape(mask) for mask in masks]
    if any(not _have_matching_sizes(a, b) for i, a in enumerate(shapes) for b in shapes[:i]):
        raise ValueError(
            "Expected masks that broadcast against one another. "
            f"Received: masks of shapes {', '.join(map(str, shapes))}"
        )


def _get_shape(x):
    return tuple(x.shape if hasattr(x, "shape") else ops.convert_to_tensor(x).shape)


def _have_matching_sizes(a, b, is_one_way=False):
    """Return True if the sizes of two shapes, aligned at the last axis, are equal or 1."""
    pairs = zip(reversed(a), reversed(b), strict=False)
    return all(None in (m, n) or m in (1, n) or (n == 1 and not is_one_way) for m, n in pairs)
