"""Base class of the query/value layers: score, mask, normalize, read, behind one `call`."""

import dataclasses
from typing import Any

import keras
from keras import ops, tree

from keras_attention import arguments
from keras_attention.base_layer import BaseLayer
from keras_attention.kernels.attention import (
    IMPLEMENTATIONS,
    Implementation,
    attention,
    prepare_step_keys,
)
from keras_attention.kernels.prepared_memory import PreparedMemory
from keras_attention.layer_arguments import check_seed
from keras_attention.layers.call_arguments.inputs import (
    check_shapes,
    compute_query_mask,
    prepare_inputs,
    split_inputs,
    split_masks,
)
from keras_attention.layers.call_arguments.shapes import broadcast_query_shape, split_shapes
from keras_attention.layers.query_value.perturbation import SeededDropout
from keras_attention.mask import combine, hide
from keras_attention.mask.structured_mask import (
    StructuredMask,
    build_structured_mask,
    fit_structured_mask,
    zero_masked_keys,
)
from keras_attention.precision import to_score_precision
from keras_attention.score.score import Score
from keras_attention.tensors import check_not_symbolic, check_tensors
from keras_attention.types import Config, Nest, Normalizer, Shape, Tensor


class QueryValueAttention(BaseLayer):
    """Abstract base class: attention with a score, a normalizer and a perturbation of the weights.

    `call` consists of `prepare`, `perturbation.sample`, `attend` and `perturbation.loss`, in this
    order. A loop over time calls `prepare`, `perturbation.sample` and `initial_carry` once,
    `attend_step` at every step, and `add_perturbation_loss` at the end. `kernels.attention` chooses
    how the four steps (score, mask, normalize, read) are evaluated. A subclass may override
    `transform_output`.

    Args:
        score: A `keras_attention.score.Score`.
        normalize: A function `(scores, mask) -> weights`.
        dropout: Fraction of the weights to drop in training, in [0, 1).
        seed: Seed of the dropout, an int or None.
        implementation: "plain", "blockwise" or "auto", as in `kernels.attention`.
    """

    def __init__(
        self,
        score: Score,
        normalize: Normalizer,
        dropout: float = 0.0,
        seed: int | None = None,
        implementation: Implementation = "auto",
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.score = score
        self.normalize = normalize
        self.dropout = arguments.rate("dropout", dropout)
        self.seed = check_seed("seed", seed)
        self.implementation = arguments.one_of("implementation", implementation, IMPLEMENTATIONS)
        self.seed_generator = keras.random.SeedGenerator(self.seed) if self.dropout else None
        self.perturbation = SeededDropout(self)
        self.supports_masking = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if {"query", "value", "key"} & kwargs.keys():
            raise ValueError(
                "Expected query and value as one list, `layer([query, value])` or "
                f"`layer([query, value, key])`. Received: arguments {', '.join(kwargs)}"
            )
        inputs = args[0] if args else kwargs.get("inputs")
        # Check before `build`, which gets only shapes and cannot tell that a tensor is ragged.
        check_tensors("inputs", *(inputs if isinstance(inputs, (list, tuple)) else [inputs]))
        return super().__call__(*args, **kwargs)

    def build(self, input_shape: Any) -> None:
        query_shape, value_shape, key_shape = split_shapes(input_shape)
        check_shapes(query_shape, value_shape, key_shape)
        if not self.score.built:  # the score may be shared with another layer
            self.score.build(query_shape, key_shape)

    def call(
        self,
        inputs: Any,
        mask: Any = None,
        attention_mask: Tensor | None = None,
        return_attention_scores: bool = False,
        use_causal_mask: bool = False,
        training: bool | None = None,
    ) -> Any:
        query, value, key, query_mask, key_mask = prepare_inputs(inputs, mask)
        mask = build_structured_mask(
            query, key, query_mask, key_mask, attention_mask, use_causal_mask
        )
        query = hide(query, query_mask)
        memory = self.prepare(value, key, mask)
        noise = self.perturbation.sample(query, memory) if training else None
        has_loss = bool(training) and self.perturbation.has_loss
        output, weights = self.attend(
            query, memory, noise, return_weights=return_attention_scores or has_loss
        )
        if has_loss:
            self.add_perturbation_loss(weights, noise, query_mask)
        output = hide(output, query_mask)
        if return_attention_scores:
            return output, ops.cast(weights, self.compute_dtype)
        return output

    def prepare(
        self, value: Tensor, key: Tensor | None = None, mask: Any = None, for_steps: bool = False
    ) -> PreparedMemory:
        """Compute, once per sequence, everything that does not depend on the query.

        Args:
            value: `(batch, Tk, Dv)`.
            key: `(batch, Tk, Dk)`, None = the value.
            mask: Bool, broadcastable to `(batch, Tq, Tk)`, True = visible; a `StructuredMask`; or
                None.
            for_steps: Whether a loop will attend with one query at a time; the keys may then be a
                `StepKeys`.

        Returns:
            A `PreparedMemory` for `attend`.
        """
        check_not_symbolic("prepare", value=value, key=key)
        is_shared = key is None or key is value
        value = ops.cast(value, self.compute_dtype)  # Keras does not autocast integer inputs
        key = value if is_shared else ops.cast(key, self.compute_dtype)
        if self.score.kernel_family is None:  # a score with kernels covers all keys
            mask = _mask_uncovered_keys(mask, self.score.covers(key))
        # Masked keys and values are zeroed before they are projected, so that they cannot reach any
        # result, even if they are NaN.
        value = zero_masked_keys(value, mask)
        key = value if is_shared else zero_masked_keys(key, mask)
        keys = self.project_keys(to_score_precision(key))
        if for_steps:
            keys = prepare_step_keys(self.score, keys, self.implementation)
        return PreparedMemory(keys, value, mask)

    def project_keys(self, key: Tensor) -> Nest:
        """Return the keys as the layer's score needs them: `(batch, Tk, D)`, or a nest of such."""
        return self.score.project_key(key)

    def attend(
        self,
        query: Tensor,
        memory: PreparedMemory,
        noise: Nest = None,
        positions: Tensor | None = None,
        return_weights: bool = True,
    ) -> tuple[Tensor, Tensor | None]:
        """Attend to a prepared memory: score, mask, normalize, read.

        Args:
            query: `(batch, Tq, Dq)`, or `(batch, Dq)` for one query per sequence.
            memory: The `PreparedMemory` that `prepare` returned.
            noise: The noise that `perturbation.sample` returned for these queries; None outside of
                training.
            positions: Position of each query in its sequence, int `(batch, Tq)`, or `(batch,)` for
                a single query; None counts from 0. Only some subclasses use it.
            return_weights: Whether to return the weights; without them, long sequences need less
                memory.

        Returns:
            The layer's output `(batch, Tq, Dv)`, and the weights `(batch, Tq, Tk)` before dropout,
            float32 or float64, or None; both without `Tq` for a single query.
        """
        check_not_symbolic("attend", query=query, memory=(memory.keys, memory.values))
        query = ops.cast(query, self.compute_dtype)
        is_single = len(query.shape) < len(memory.values.shape)
        mask = fit_structured_mask(memory.mask, query, memory.values, is_single)
        # Fully masked queries are zeroed before they are projected. A single query is projected
        # before it gets an axis of queries, because on TensorFlow a product of ranks 3 and 2 has no
        # gradient in an XLA loop of unknown sizes.
        projected = mask.zero_masked_queries(query, is_single)
        projected = self.score.project_query(to_score_precision(projected))
        if is_single:
            projected, noise = ops.expand_dims(projected, -2), add_query_axis(noise)
        context, weights = attention(
            self.score,
            self.normalize,
            self.perturbation,
            projected,
            memory,
            mask,
            noise,
            implementation=self.implementation,
            return_weights=return_weights,
        )
        if is_single:
            context = ops.squeeze(context, -2)
            weights = None if weights is None else ops.squeeze(weights, -2)
        return self.transform_output(context, query), weights

    def attend_step(
        self,
        query: Tensor,
        memory: PreparedMemory,
        carry: Nest,
        noise: Nest = None,
        positions: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, Nest]:
        """Attend with one query per sequence, as a step of a loop over time.

        Args:
            query: `(batch, Dq)`.
            memory: The `PreparedMemory` that `prepare` returned.
            carry: What the previous step returned; `initial_carry` before the first step.
            noise: As in `attend`.
            positions: As in `attend`.

        Returns:
            Output `(batch, Dv)`, weights `(batch, Tk)`, and the carry for the next step. The carry
            is an empty tuple, unless the layer's weights depend on those of the previous step: see
            `SequentialAttention`.
        """
        return (*self.attend(query, memory, noise, positions), carry)

    def initial_carry(self, memory: PreparedMemory) -> Nest:
        """Return the carry before the first step: a nest of tensors `(batch, ...)`."""
        return ()

    def carry_spec(self, batch: int | None, keys: int | None) -> Nest:
        """Return the carry as a nest of `keras.KerasTensor`, for a batch size and a number of keys.

        Each leaf has to be an object of its own, because Keras tells the outputs of a functional
        model apart by identity. A carry without tensors means that the steps are independent of one
        another.
        """
        return ()

    def transform_output(self, context: Tensor, query: Tensor) -> Tensor:
        """Return the layer's output for a context; by default the context itself."""
        return context

    def average_heads(self, weights: Tensor) -> Tensor:
        """Return one row of weights per query; layers with several heads return their mean."""
        return weights

    def add_perturbation_loss(
        self, weights: Tensor, noise: Nest, mask: Tensor | None = None
    ) -> None:
        """Add the perturbation's loss to the layer's losses; see `Perturbation.loss`.

        Call it once per training call, outside of loops, if `perturbation.has_loss` is True.
        """
        self.add_loss(self.perturbation.loss(weights, noise, mask))

    compute_mask = compute_query_mask

    def compute_output_shape(self, input_shape: Any) -> Shape:
        query_shape, value_shape, key_shape = split_shapes(input_shape)
        query_shape = broadcast_query_shape(query_shape, value_shape, key_shape)
        return (*query_shape[:-1], value_shape[-1])

    def compute_output_spec(
        self,
        inputs: Any,
        mask: Any = None,
        attention_mask: Tensor | None = None,
        return_attention_scores: bool = False,
        use_causal_mask: bool = False,
        training: bool | None = None,
    ) -> Any:
        query, value, key = split_inputs(inputs)
        build_structured_mask(query, key, *split_masks(mask, inputs), attention_mask)  # to check
        shape = self.compute_output_shape([query.shape, value.shape, key.shape])
        output = keras.KerasTensor(shape, dtype=self.compute_dtype)
        if not return_attention_scores:
            return output
        scores_shape = (*shape[:-1], key.shape[-2])
        return output, keras.KerasTensor(scores_shape, dtype=self.compute_dtype)

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "dropout": self.dropout,
            "seed": self.seed,
            "implementation": self.implementation,
        }


def _mask_uncovered_keys(mask, covered):
    """Mask the keys that a score does not cover; `covered` is bool `(1, Tk)`, or None for all."""
    if covered is None:
        return mask
    if isinstance(mask, StructuredMask):
        return dataclasses.replace(mask, key_mask=combine(mask.key_mask, covered))
    return combine(mask, covered)


def add_query_axis(noise):
    """Add an axis of queries to the noise of a single query, a nest of tensors, or None."""
    return tree.map_structure(lambda x: ops.expand_dims(x, -2), noise, none_is_leaf=False)
