"""Deletion curves: whether a model needs the positions that an explanation calls important."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_attention import arguments
from keras_attention.explain.inner_function import InnerFunction
from keras_attention.explain.model_batches import split_batches, take_baseline
from keras_attention.explain.targets import Target
from keras_attention.types import Nest, Tensor

FRACTIONS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


def deletion(
    model: keras.Model,
    inputs: Nest,
    importance: Tensor,
    fractions: Sequence[float] = FRACTIONS,
    baseline: Any = None,
    target: int | Any | Callable | None = None,
    of: str | keras.Layer | None = None,
    mask: Tensor | None = None,
    batch_size: int = 32,
) -> np.ndarray:
    """Return the model's output as the most important positions are replaced.

    The faster the output falls, the better the importance says what the model depends on. Compare
    with the curve of random importance: replaced inputs differ from those in training.

    Args:
        model: A built `keras.Model`.
        inputs: Array or nest of arrays `(batch, ...)`, as the model takes them; ids too.
        importance: `(batch, S)`, or `(batch, H, W)` for images: larger is more important. Of equal
            ones, the first are replaced first.
        fractions: Shares of the positions to replace, each in [0, 1]; rounded to positions.
        baseline: What replaces a position: a number, such as the id of an unknown word, or an
            array that broadcasts to the inputs. Default: 0, which for an Embedding with
            `mask_zero=True` masks the position.
        target: The output to follow: None for the class that is predicted for the unchanged inputs,
            an integer, integers `(batch,)`, or a function of the model's outputs, as in `saliency`.
        of: Where to replace positions, as in `saliency`. Needed for a model with several inputs.
        mask: Bool, of the shape of `importance`: the positions that count, which leaves out
            padding. Default: all.
        batch_size: Number of examples per call of the model.

    Returns:
        `(batch, len(fractions))`, float32: the output of the model, such as the probability of the
        class if the model ends with a softmax.

    Raises:
        ValueError: If an argument is invalid, or if shapes do not match.

    Example:
    >>> model = keras.Sequential([keras.Input((4, 1)), keras.layers.Flatten(),
    ...     keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")])
    >>> x = np.array([[[1.0], [8.0], [2.0], [4.0]]])
    >>> keras_attention.explain.deletion(model, x, x[..., 0], [0, 0.25, 0.5, 1])
    array([[15.,  7.,  3.,  0.]], dtype=float32)

    Reference: Samek et al., "Evaluating the Visualization of What a Deep Neural Network Has
    Learned", 2017, https://arxiv.org/abs/1509.06321; the name is that of Petsiuk et al., "RISE",
    2018, https://arxiv.org/abs/1806.07421.
    """
    fractions = _check_fractions(fractions)
    batch_size = arguments.positive_integer("batch_size", batch_size)
    importance = np.asarray(ops.convert_to_numpy(importance), "float64")
    mask = np.ones(importance.shape, bool) if mask is None else ops.convert_to_numpy(mask)
    if mask.shape != importance.shape or mask.dtype != bool:
        raise ValueError(
            f"Expected `mask` of bools of the shape {importance.shape} of the importance. "
            f"Received: mask of shape {mask.shape} and dtype {mask.dtype}"
        )
    ranks, counts = _rank(importance, mask), mask.reshape(len(mask), -1).sum(axis=1)
    function, chosen = InnerFunction(model, of, logits=False), Target(target)
    results = []
    for rows, batch in split_batches(function, inputs, batch_size):
        outputs, points = function.record(batch)
        numbers = chosen.choose(outputs, rows)
        point = _check_points(points, importance, function)
        replacement, curve = take_baseline(baseline, rows, point), []
        for fraction in fractions:
            limits = np.rint(fraction * counts[rows]).reshape(-1, *[1] * (ranks.ndim - 1))
            is_replaced = ranks[rows] < limits
            extra = len(point.shape) - ranks.ndim
            is_replaced = is_replaced.reshape(*is_replaced.shape, *[1] * extra)
            changed = ops.where(is_replaced, replacement, point)
            with keras.StatelessScope():
                outputs = function([changed], batch)
            curve.append(ops.convert_to_numpy(chosen.select(outputs, numbers)))
        results.append(np.stack(curve, axis=1))
    return np.concatenate(results).astype("float32")


def _check_fractions(fractions):
    values = list(fractions) if isinstance(fractions, list | tuple | np.ndarray) else []
    if not values or not all(arguments.is_real(x) and 0 <= x <= 1 for x in values):
        raise ValueError(
            "Expected `fractions` to be a list of numbers in [0, 1]. "
            f"Received: fractions={fractions!r}"
        )
    return values


def _check_points(points, importance, function):
    if len(points) != 1:
        raise ValueError(
            "Expected `of` to name one input, or a layer that is called once. "
            f"Received: {function.describe_points()}"
        )
    shape = tuple(points[0].shape)
    if shape[1 : importance.ndim] != importance.shape[1:] or importance.ndim < 2:
        raise ValueError(
            f"Expected `importance` to have the first axes of {function.describe_points()}, of "
            f"shape {shape}. Received: importance of shape {importance.shape}"
        )
    return points[0]


def _rank(importance, mask):
    """Return the rank of each position: 0 for the most important, masked ones last."""
    flat = np.where(mask, -importance, np.inf).reshape(len(importance), -1)
    order = np.argsort(flat, axis=1, kind="stable")
    return np.argsort(order, axis=1).reshape(importance.shape)
