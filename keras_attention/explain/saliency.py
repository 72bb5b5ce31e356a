"""Saliency: the input positions on which a model's prediction depends, by its gradients."""

from collections.abc import Callable
from typing import Any, Literal

import keras
import numpy as np
from keras import ops

from keras_attention import arguments
from keras_attention.explain.gradient_methods import NoiseGenerators, integrate, multiply, smooth
from keras_attention.explain.inner_function import InnerFunction
from keras_attention.explain.model_batches import split_batches, take_baseline
from keras_attention.explain.reduce import REDUCTIONS, reduce_features
from keras_attention.explain.target_gradient import TargetGradient
from keras_attention.explain.targets import Target
from keras_attention.types import Nest

METHODS = ("gradient", "gradient_input", "integrated", "smooth")
PASSES_PER_GRAPH = 8  # from as many gradients on, tracing a graph takes less time than it saves


def saliency(
    model: keras.Model,
    inputs: Nest,
    target: int | Any | Callable | None = None,
    of: str | keras.Layer | None = None,
    method: Literal["gradient", "gradient_input", "integrated", "smooth"] = "gradient",
    steps: int = 50,
    noise: float = 0.15,
    samples: int = 25,
    baseline: Any = None,
    reduce: Literal["norm", "sum", "max"] | None = "norm",
    batch_size: int = 32,
    seed: int | None = None,
    logits: bool = True,
) -> Any:
    """Return how much each input position matters to a prediction, by gradients.

    Works for any Keras model on every backend. The model is neither retrained nor changed: its
    weights, losses, metrics and random states stay as they are. It runs with `training=False`.
    With F the `target` and x the inputs (or the output of the layer `of`), the methods are

        "gradient"        dF/dx
        "gradient_input"  x dF/dx
        "integrated"      (x - x') mean_k dF/dx at x' + (k - 1/2)/steps (x - x'), k = 1 .. steps;
                          x' is the baseline, and the sum of all elements is F(x) - F(x')
        "smooth"          the mean of dF/dx over `samples` copies of x with normal noise, whose
                          standard deviation is `noise` times the range (max - min) of the example

    Args:
        model: A built `keras.Model`. Its examples must not depend on each other.
        inputs: Array or nest of arrays `(batch, ...)`, as the model takes them.
        target: The output to explain. None: the predicted class, which is the largest of the
            outputs `(batch, classes)`, or the only one. An integer: this class. Integers
            `(batch,)`: a class for each example. A function of the model's outputs that returns
            `(batch,)`: for models with several outputs, or with outputs of other shapes.
        of: Where to differentiate. None: at the inputs, which must be floats. The name of an input.
            A layer, its name, or its path, such as "encoder/embedding": at its output; for token
            ids, take the Embedding. Masks of this layer stay in effect.
        method: One of the methods above.
        steps: Number of points on the way from the baseline, for "integrated".
        noise: Share of the range, for "smooth".
        samples: Number of noisy copies, for "smooth".
        baseline: Number, or array that broadcasts to x, for "integrated": an input without
            information. Default: 0.
        reduce: What to compute from the features of a position, the last axis: "norm" the Euclidean
            norm, "sum" the sum, which keeps the sign, "max" the largest absolute value. None keeps
            the axis.
        batch_size: Number of examples per call of the model.
        seed: Seed of the noise. The noise of an example does not depend on the batch size, and is
            the same on every backend. Default: a different one for each call.
        logits: Whether to leave out a softmax or sigmoid at the end of the model: one that is the
            activation of the last layer, a layer, or a `keras.ops` of a functional model. Where a
            probability is close to 0 or 1, its gradients vanish, while those of the logits do not.

    Returns:
        A float32 array of the shape of the inputs, or of the output of `of`, without the last axis
        (unless `reduce` is None). For several inputs a nest of arrays like `inputs`; for a layer
        that the model calls several times, a list of arrays, one per call.

    Raises:
        ValueError: If an argument is invalid; if x is not of floats, as token ids; if an output has
            no classes and `target` is not a function.

    Example:
    >>> model = keras.Sequential([keras.Input((3, 2)), keras.layers.Flatten(),
    ...     keras.layers.Dense(1, kernel_initializer="ones")])
    >>> x = np.array([[[1.0, 2.0], [3.0, 4.0], [0.0, 0.0]]])
    >>> keras_attention.explain.saliency(model, x, method="integrated", reduce="sum").round(3)
    array([[3., 7., 0.]], dtype=float32)

    Differs from the papers: the points of integrated gradients are the middles of `steps` equal
    parts, which is more exact than their ends. The noise is relative to the range of each example.

    References:
        Simonyan, Vedaldi, Zisserman, "Deep Inside Convolutional Networks", 2014,
        https://arxiv.org/abs/1312.6034 (gradient); Shrikumar et al., "Not Just a Black Box", 2016,
        https://arxiv.org/abs/1605.01713 (gradient_input); Sundararajan, Taly, Yan, "Axiomatic
        Attribution for Deep Networks", 2017, https://arxiv.org/abs/1703.01365 (integrated); Smilkov
        et al., "SmoothGrad", 2017, https://arxiv.org/abs/1706.03825 (smooth).
    """
    arguments.one_of("method", method, METHODS)
    arguments.one_of("reduce", reduce, REDUCTIONS)
    steps = arguments.positive_integer("steps", steps)
    samples = arguments.positive_integer("samples", samples)
    noise = arguments.nonnegative_number("noise", noise)
    batch_size = arguments.positive_integer("batch_size", batch_size)
    function = InnerFunction(model, of, arguments.boolean("logits", logits))
    passes = {"integrated": steps, "smooth": samples}.get(method, 1)
    gradient = TargetGradient(function, Target(target), passes >= PASSES_PER_GRAPH)
    generators = NoiseGenerators(seed)
    results = []
    for rows, batch in split_batches(function, inputs, batch_size):
        points, compute, *_ = gradient.bind(batch, rows)
        if method == "integrated":
            baselines = [take_baseline(baseline, rows, point) for point in points]
            maps = integrate(compute, points, baselines, steps)
        elif method == "smooth":
            maps = smooth(compute, points, noise, samples, generators.select(rows))
        else:
            maps = compute(points)
            if method == "gradient_input":
                maps = multiply(points, maps)
        results.append([ops.convert_to_numpy(reduce_features(x, reduce)) for x in maps])
    arrays = [np.concatenate(parts) for parts in zip(*results, strict=True)]
    return function.pack(inputs, arrays)
