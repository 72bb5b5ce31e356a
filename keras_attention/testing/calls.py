"""Functions through which the checks call a layer."""

import functools
from collections.abc import Callable
from typing import Any

from keras_attention.types import Tensor


def request_scores(call: Callable) -> Callable:
    """Add defaults to a function `(layer, query, value, query_mask, value_mask, **options)`.

    The masks default to None, and `return_attention_scores` defaults to True.
    """

    @functools.wraps(call)
    def adapter(layer, query, value, query_mask=None, value_mask=None, **options):
        options = {"return_attention_scores": True, **options}
        return call(layer, query, value, query_mask, value_mask, **options)

    return adapter


@request_scores
def call_query_value(
    layer: Callable,
    query: Tensor,
    value: Tensor,
    query_mask: Tensor | None,
    value_mask: Tensor | None,
    **options: Any,
) -> Any:
    """Call a layer with the interface of `keras.layers.Attention`."""
    return layer([query, value], mask=[query_mask, value_mask], **options)
