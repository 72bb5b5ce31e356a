"""The implicit alignment of a sequence model: how each output step depends on each input step."""

from collections.abc import Callable
from typing import Any, Literal

import keras
import numpy as np
from keras import ops, tree

from keras_attention import arguments
from keras_attention.explain.inner_function import InnerFunction
from keras_attention.explain.model_batches import split_batches
from keras_attention.explain.reduce import REDUCTIONS, reduce_features
from keras_attention.explain.target_gradient import TargetGradient
from keras_attention.explain.targets import Target
from keras_attention.types import Nest


def jacobian(
    model: keras.Model,
    inputs: Nest,
    of: str | keras.Layer | None = None,
    reduce: Literal["norm", "sum", "max"] | None = "norm",
    target: int | Any | Callable | None = None,
    projections: int | None = None,
    batch_size: int = 32,
    seed: int | None = None,
    logits: bool = True,
) -> Any:
    """Return how much each output step changes with each input step.

    This is the alignment that a model of sequences has without being built for one: Graves calls it
    implicit attention. It takes one backward pass for each output step, over the whole batch.

    Args:
        model: A built `keras.Model` that returns `(batch, Tout, classes)`, or `(batch, Tout)`.
        inputs: Array or nest of arrays `(batch, ...)`, as the model takes them.
        of: Where to differentiate, as in `saliency`.
        reduce: What to compute from the last axis, the features of an input step: "norm", "sum",
            "max" or None, as in `saliency`.
        target: The output of each step. None: the predicted class of the step. An integer: this
            class. Integers `(batch, Tout)`: a class for each step. A function of the model's
            outputs that returns `(batch, Tout)`.
        projections: If not None, the norm over all outputs of a step instead of a `target`, which
            is then None: the Frobenius norm of the block of the Jacobian, estimated by as many
            random projections on signs (Hutchinson). `reduce` must be "norm". For outputs that are
            vectors instead of classes.
        batch_size: Number of examples per call of the model.
        seed: Seed of the projections. Default: a different one for each call.
        logits: Whether to leave out a softmax or sigmoid at the end, as in `saliency`.

    Returns:
        A float32 array `(batch, Tout, S)` for inputs `(batch, S, features)`; or a nest or list of
        such arrays, as in `saliency`.

    Raises:
        ValueError: As `saliency`; or if `projections` comes with a target or another reduction.

    Example:
    >>> copy = keras.Sequential([keras.Input((3, 1)), keras.layers.Dense(1, use_bias=False,
    ...     kernel_initializer="ones")])
    >>> keras_attention.explain.jacobian(copy, np.ones((1, 3, 1)))[0]
    array([[1., 0., 0.],
           [0., 1., 0.],
           [0., 0., 1.]], dtype=float32)

    Reference: Graves, Wayne, Danihelka, "Neural Turing Machines", 2014, and Graves's lecture on
    attention and memory, which explain networks by their Jacobian; Hutchinson, "A stochastic
    estimator of the trace", 1990.
    """
    arguments.one_of("reduce", reduce, REDUCTIONS)
    batch_size = arguments.positive_integer("batch_size", batch_size)
    projections = arguments.positive_integer("projections", projections, optional=True)
    if projections and (target is not None or reduce != "norm"):
        raise ValueError(
            "Expected `projections` without `target`, and with reduce='norm'. Received: "
            f"projections={projections}, target={target!r}, reduce={reduce!r}"
        )
    function = InnerFunction(model, of, arguments.boolean("logits", logits))
    chosen = Target(_get_sequence if projections else target, 3 if projections else 2)
    gradient = TargetGradient(function, chosen, use_graph=True)
    rng = np.random.default_rng(seed)
    results = []
    for rows, batch in split_batches(function, inputs, batch_size):
        points, compute, shape, _ = gradient.bind(batch, rows)
        steps = []
        for step in range(shape[1]):
            if projections:
                steps.append(_project(compute, points, shape, step, projections, rng))
                continue
            cotangent = np.zeros(shape, "float32")
            cotangent[:, step] = 1
            steps.append([reduce_features(g, reduce) for g in compute(points, cotangent)])
        maps = [[ops.convert_to_numpy(x) for x in parts] for parts in zip(*steps, strict=True)]
        results.append([np.stack(parts, axis=1) for parts in maps])
    arrays = [np.concatenate(parts) for parts in zip(*results, strict=True)]
    return function.pack(inputs, arrays)


def _get_sequence(outputs):
    """Return the one output of a model as `(batch, steps, features)`."""
    leaves = tree.flatten(outputs)
    if len(leaves) != 1 or len(leaves[0].shape) not in (2, 3):
        shapes = [tuple(leaf.shape) for leaf in leaves]
        raise ValueError(
            f"Expected a model that returns (batch, steps, features). Received: {shapes}"
        )
    return leaves[0] if len(leaves[0].shape) == 3 else leaves[0][..., None]


def _project(compute, points, shape, step, projections, rng):
    """Return the root of the mean square of the gradients of random projections of a step."""
    squares = []
    for _ in range(projections):
        cotangent = np.zeros(shape, "float32")
        cotangent[:, step] = rng.choice([-1.0, 1.0], size=(shape[0], shape[2]))
        squares.append([ops.sum(ops.square(g), axis=-1) for g in compute(points, cotangent)])
    return [ops.sqrt(sum(terms) / projections) for terms in zip(*squares, strict=True)]
