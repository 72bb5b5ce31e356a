"""Base class of Luong's global and local attention: the scores, and the attentional vector h~."""

from typing import Any

import keras
from keras import ops

from keras_attention import arguments
from keras_attention.initial_weights import clone_initializer
from keras_attention.kernels.matmul import project
from keras_attention.layer_arguments import get_initializer, get_regularizer
from keras_attention.layers.call_arguments.shapes import split_shapes
from keras_attention.layers.query_value.base import QueryValueAttention
from keras_attention.normalize import softmax
from keras_attention.precision import clip_input, score_dtype
from keras_attention.score import AdditiveScore, DotScore, GeneralScore, LocationScore
from keras_attention.types import Config, Initializer, Regularizer, Shape, Tensor

SCALED_SCORES = ("dot", "general")


class Luong(QueryValueAttention):
    """Abstract base class: attention with one of Luong's scores, and optionally the vector h~.

    h~_i = tanh([context_i; query_i] Wc), with `output_kernel` Wc (Dv + Dq, units).

    Args:
        score: "dot", "general", "concat" or "location".
        units: Width of h~; None returns the context itself.
        max_length: Number of positions that have weights with score="location".
        kernel_initializer: Initializer of all kernels.
        kernel_regularizer: Regularizer of all kernels.
        use_scale: Whether to multiply the scores by a learned scalar, with score="dot" or
            "general" only.
        **kwargs: Arguments of `QueryValueAttention`.
    """

    def __init__(
        self,
        score: str,
        units: int | None = None,
        max_length: int | None = None,
        kernel_initializer: Initializer = "glorot_uniform",
        kernel_regularizer: Regularizer = None,
        use_scale: bool = False,
        **kwargs,
    ):
        if score != "location" and max_length is not None:
            raise ValueError(
                f"Expected `max_length` with score='location' only. Received: score={score!r}, "
                f"max_length={max_length!r}"
            )
        if arguments.boolean("use_scale", use_scale) and score not in SCALED_SCORES:
            raise ValueError(
                "Expected `use_scale` with score='dot' or 'general' only. Received: "
                f"score={score!r}, use_scale=True"
            )
        common = {"dtype": kwargs.get("dtype"), "name": "score"}
        kernel = {
            "kernel_initializer": kernel_initializer,
            "kernel_regularizer": kernel_regularizer,
        }
        score_layer = {
            "dot": lambda: DotScore(use_scale=use_scale, **common),
            "general": lambda: GeneralScore(use_scale=use_scale, **kernel, **common),
            "concat": lambda: AdditiveScore(**kernel, **common),
            "location": lambda: LocationScore(
                arguments.positive_integer("max_length", max_length), **kernel, **common
            ),
        }[score]()
        super().__init__(score=score_layer, normalize=softmax, **kwargs)
        self.score_name = score
        self.units = arguments.positive_integer("units", units, optional=True)
        self.kernel_initializer = get_initializer("kernel_initializer", kernel_initializer)
        self.kernel_regularizer = get_regularizer("kernel_regularizer", kernel_regularizer)

    def build(self, input_shape: Any) -> None:
        super().build(input_shape)
        if self.units is not None:
            (*_, query_width), (*_, value_width), _ = split_shapes(input_shape)
            shape = (value_width + query_width, self.units)
            self.output_kernel = self._add_kernel("output_kernel", shape)

    def _add_kernel(self, name, shape):
        return self.add_weight(
            name=name,
            shape=shape,
            initializer=clone_initializer(self.kernel_initializer),
            regularizer=self.kernel_regularizer,
            autocast=False,
        )

    def transform_output(self, context: Tensor, query: Tensor) -> Tensor:
        if self.units is None:
            return context
        if query.shape[0] == 1 and context.shape[0] != 1:
            # Broadcast in this case only: XLA has no gradient of a broadcast in a loop of unknown
            # sizes.
            query = ops.broadcast_to(query, (*ops.shape(context)[:-1], query.shape[-1]))
        features = ops.concatenate([clip_input(context), clip_input(query)], axis=-1)
        hidden = project(features, self.output_kernel, dtype=score_dtype(self.compute_dtype))
        return ops.cast(ops.tanh(hidden), self.compute_dtype)

    def compute_output_shape(self, input_shape: Any) -> Shape:
        shape = super().compute_output_shape(input_shape)
        return shape if self.units is None else (*shape[:-1], self.units)

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "score": self.score_name,
            "units": self.units,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
        }
