"""Compute the attention weights of one call of a layer."""

import inspect
from collections.abc import Callable
from typing import Any

from keras import tree

from keras_attention.explain.find_layers import RETURN_SCORES
from keras_attention.types import Tensor


def compute_layer_weights(
    layer: Any, call: Callable, args: tuple, kwargs: dict, outputs: Any
) -> dict[str, Tensor]:
    """Call a layer again, with the same arguments in inference, and return its attention weights.

    Args:
        layer: The layer.
        call: Its own method `call`.
        args: Positional arguments of the call.
        kwargs: The other arguments of the call.
        outputs: What the call returned.

    Returns:
        The weights by name: "" for the only weights of a layer; the names of its
        `compute_attention_weights`; "0", "1", … for a layer that returns several tensors.
    """
    if kwargs.get("training"):
        kwargs = {**kwargs, "training": False}
    if hasattr(layer, "compute_attention_weights"):
        weights = layer.compute_attention_weights(*args, **kwargs)
        return weights if isinstance(weights, dict) else {"": weights}
    with_scores = call(*args, **{**kwargs, RETURN_SCORES: True})
    if is_requested(layer, kwargs):
        outputs = call(*args, **{**kwargs, RETURN_SCORES: False})
    scores = select_scores(with_scores, outputs)
    names = [""] if len(scores) == 1 else map(str, range(len(scores)))
    return dict(zip(names, scores, strict=True))


def is_requested(layer: Any, kwargs: dict) -> bool:
    """Return whether the layer's caller asks for the weights."""
    default = inspect.signature(type(layer).call).parameters[RETURN_SCORES].default
    return bool(kwargs.get(RETURN_SCORES, default))


def select_scores(with_scores: Any, outputs: Any) -> list[Tensor]:
    """Return the attention weights, which a layer returns right after its first output.

    Args:
        with_scores: The outputs of a call with `return_attention_scores=True`.
        outputs: The outputs of the same call without them, or symbols for these.
    """
    count = _count(with_scores) - _count(outputs)
    scores = tree.flatten(list(with_scores[1 : 1 + count])) if count > 0 else []
    return [x for x in scores if hasattr(x, "shape")]


def _count(outputs):
    return len(outputs) if isinstance(outputs, list | tuple) else 1
