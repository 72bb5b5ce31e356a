"""The description of a layer under test."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from keras_attention.testing.calls import call_query_value
from keras_attention.testing.data import WIDTH, example_batch
from keras_attention.testing.evaluate import Evaluator


@dataclasses.dataclass(eq=False)
class LayerCase:
    """A layer under test: how to create it, how to call it and which features it has.

    Args:
        layer: The layer's class, or a function that returns a new layer. The function takes
            `dtype`, `trainable` and the constructor's arguments as keyword arguments.
        arguments: Constructor arguments. A callable value is called, without arguments, each time a
            layer is created, and its result is passed instead. Use this to create sub-layers.
        call: A function `(layer, query, value, query_mask=None, value_mask=None, **options)` that
            calls the layer and returns `(output, weights)`: `(batch, Tq, any)` and
            `(batch, Tq, Tk)`. The options are `attention_mask`, `use_causal_mask`, `training` and
            `return_attention_scores`; with `return_attention_scores=False` it returns the output
            alone. See `keras_attention.testing.request_scores`.
        width: The width of the example queries and values.
        fully_masked_output_is_zero: Whether a fully masked query has an output of zero. Pass False
            if the output contains more than the context, such as a residual.
        takes_masks: Whether the layer takes `query_mask` and `value_mask`.
        takes_attention_mask: Whether it takes `attention_mask` and `use_causal_mask`.
        takes_query: Whether the output has a query axis.
        takes_batch_axes: Whether the only tensor of a call may have further batch axes, so that one
            axis more is not an invalid call.
        max_input: Inputs of at most this magnitude must not give NaN. None = a number near the
            largest one of the compute dtype. Pass a smaller number if a part of the layer overflows
            earlier.
        all_arguments: Dict of every constructor argument, each with a value that is not its
            default. If it is given, the config is checked for all of these values. Default None.
        exclusive_arguments: Names of constructor arguments that may have their default in
            `all_arguments`, because any other value would exclude another argument.
        wrong_arguments: Pairs of a dict of invalid constructor arguments, which must raise an
            error, and a part of the error message.
        error_pattern: Regular expression that the messages of the layer's errors must match.
        package: The package under which the class is registered for saving; None for any.
        weights_sum_to_one: Whether the weights of each query sum to 1 unless it is fully masked.
            Pass False if they may sum to less.
        treats_keys_alike: Whether equal keys get equal weights, and permuted keys the permuted
            weights. Pass False if positions matter, or if the first of several equal keys gets the
            whole weight.
        call_arguments: Dict of additional arguments of the layer's call: arrays that fit the
            examples, or nests of arrays. The check of invalid calls replaces them by invalid ones,
            as it does with all tensors.
    """

    layer: Callable
    arguments: dict = dataclasses.field(default_factory=dict)
    call: Callable = call_query_value
    width: int = WIDTH
    fully_masked_output_is_zero: bool = True
    takes_masks: bool = True
    takes_attention_mask: bool = True
    takes_query: bool = True
    takes_batch_axes: bool = False
    max_input: float | None = None
    all_arguments: dict | None = None
    exclusive_arguments: tuple[str, ...] = ()
    wrong_arguments: list = dataclasses.field(default_factory=list)
    error_pattern: str = "Expected .* Received: "
    package: str | None = None
    weights_sum_to_one: bool = True
    treats_keys_alike: bool = True
    call_arguments: dict = dataclasses.field(default_factory=dict)
    evaluators: dict = dataclasses.field(default_factory=dict, repr=False)

    @functools.cached_property
    def layer_class(self) -> type:
        """The class of the layer."""
        return self.layer if isinstance(self.layer, type) else type(self.make())

    @property
    def name(self) -> str:
        """The class and the constructor arguments, for messages."""
        arguments = ", ".join(f"{k}={v!r}" for k, v in self.arguments.items() if not callable(v))
        return f"{self.layer_class.__name__}({arguments})"

    def make(self, **options: Any) -> keras.layers.Layer:
        """Return a new layer. `options` override `arguments`; sub-layers get the same dtype."""
        policy = keras.config.dtype_policy()
        keras.config.set_dtype_policy(options.get("dtype", policy))
        try:
            arguments = {**self.arguments, **options}
            return self.layer(**{k: v() if callable(v) else v for k, v in arguments.items()})
        finally:
            keras.config.set_dtype_policy(policy)

    def batch(self, *args: int, **kwargs: int) -> tuple:
        """Return `example_batch` with this case's width."""
        return example_batch(*args, width=self.width, **kwargs)

    def build(self, **options: Any) -> keras.layers.Layer:
        """Return a new, built layer, with seeded random numbers as its weights, none of them 0."""
        layer = self.make(**options)
        self.call(layer, *(keras.KerasTensor(x.shape, "float32") for x in self.batch()[:2]))
        rng = np.random.default_rng(1)
        layer.set_weights([0.5 * rng.normal(size=w.shape) for w in layer.get_weights()])
        return layer

    def evaluator(self, dtype: str = "float32") -> Evaluator:
        """Return the shared evaluator of a built layer; its layer must not be modified."""
        if dtype not in self.evaluators:
            self.evaluators[dtype] = self.create_evaluator(dtype=dtype)
        return self.evaluators[dtype]

    def create_evaluator(self, **options: Any) -> Evaluator:
        """Return a new evaluator of a new layer, which is built with these options."""
        return Evaluator(self.call, self.build(**options))

    def functional_model(self, layer: keras.layers.Layer) -> keras.Model:
        """Return a functional model of the layer: unknown batch and lengths, masks as inputs."""
        inputs = [keras.Input((None, self.width), name=name) for name in ("query", "value")]
        inputs += [
            keras.Input((None,), dtype="bool", name=name) for name in ("query_mask", "value_mask")
        ]
        output, weights = self.call(layer, *inputs)
        return keras.Model(inputs, {"output": output, "weights": weights})
