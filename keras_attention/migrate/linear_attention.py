"""Attention with the linear output layer of TensorFlow Addons' `attention_layer_size`."""

from typing import Any

import keras
from keras import ops

from keras_attention import arguments
from keras_attention.initial_weights import clone_initializer
from keras_attention.kernels.matmul import project
from keras_attention.layer_arguments import get_initializer
from keras_attention.layers.call_arguments.shapes import split_shapes
from keras_attention.layers.query_value.attention import Attention
from keras_attention.layers.query_value.base import QueryValueAttention
from keras_attention.layers.query_value.monotonic_attention import MonotonicAttention
from keras_attention.precision import clip_input
from keras_attention.types import Config, Initializer, Shape, Tensor


class LinearOutput(QueryValueAttention):
    """Abstract base class: the output is a linear function of query and context.

        output_i = [query_i; context_i] W,  with `output_kernel` W (Dq + Dv, output_units)

    Args:
        output_units: Width of the output.
        output_initializer: Initializer of W.

    The other arguments are those of the attention layer.
    """

    def __init__(
        self, output_units: int, output_initializer: Initializer = "glorot_uniform", **kwargs
    ):
        super().__init__(**kwargs)
        self.output_units = arguments.positive_integer("output_units", output_units)
        self.output_initializer = get_initializer("output_initializer", output_initializer)

    def build(self, input_shape: Any) -> None:
        super().build(input_shape)
        (*_, query_width), (*_, value_width), _ = split_shapes(input_shape)
        self.output_kernel = self.add_weight(
            name="output_kernel",
            shape=(query_width + value_width, self.output_units),
            initializer=clone_initializer(self.output_initializer),
            autocast=False,
        )

    def transform_output(self, context: Tensor, query: Tensor) -> Tensor:
        if query.shape[0] == 1 and context.shape[0] != 1:
            # Broadcast in this case only: XLA has no gradient of a broadcast in a loop of unknown
            # sizes.
            query = ops.broadcast_to(query, (*ops.shape(context)[:-1], query.shape[-1]))
        inputs = [clip_input(ops.cast(x, self.compute_dtype)) for x in (query, context)]
        return project(ops.concatenate(inputs, axis=-1), self.output_kernel)

    def compute_output_shape(self, input_shape: Any) -> Shape:
        return (*super().compute_output_shape(input_shape)[:-1], self.output_units)

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "output_units": self.output_units,
            "output_initializer": keras.initializers.serialize(self.output_initializer),
        }


@keras.saving.register_keras_serializable(package="keras_attention")
class LinearAttention(LinearOutput, Attention):
    """`Attention`, and a linear layer of query and context.

        output_i = [query_i; context_i] W,  with `output_kernel` W (Dq + Dv, output_units)

    It is what an `AttentionWrapper` of TensorFlow Addons computes with `attention_layer_size`. For
    a model that you train from scratch, use `LuongAttention(units=output_units)`, which follows the
    paper: `tanh([context_i; query_i] W)`.

    Args:
        output_units: Width of the output.
        output_initializer: Initializer of W.
        **kwargs: Arguments of `Attention`.

    Example:
    >>> layer = keras_attention.migrate.LinearAttention(output_units=6, score="general")
    >>> layer([np.ones((1, 2, 3), "float32"), np.ones((1, 5, 7), "float32")]).shape
    TensorShape([1, 2, 6])
    """


@keras.saving.register_keras_serializable(package="keras_attention")
class LinearMonotonicAttention(LinearOutput, MonotonicAttention):
    """`MonotonicAttention`, and a linear layer of query and context, as in `LinearAttention`.

    Args:
        output_units: Width of the output.
        output_initializer: Initializer of W.
        **kwargs: Arguments of `MonotonicAttention`.

    Example:
    >>> layer = keras_attention.migrate.LinearMonotonicAttention(output_units=6)
    >>> layer([np.ones((1, 2, 3), "float32"), np.ones((1, 5, 7), "float32")]).shape
    TensorShape([1, 2, 6])
    """
