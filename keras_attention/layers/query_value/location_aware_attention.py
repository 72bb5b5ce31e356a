"""Location-aware attention for speech (Chorowski et al. 2015)."""

from typing import Literal

import keras
from keras import ops

import keras_attention.normalize
from keras_attention import arguments
from keras_attention.kernels.prepared_memory import PreparedMemory
from keras_attention.layers.query_value.base import QueryValueAttention
from keras_attention.layers.query_value.perturbation import SeededDropout
from keras_attention.layers.query_value.sequential_attention import SequentialAttention
from keras_attention.layers.query_value.start_weights import first_key_weights, uniform_weights
from keras_attention.mask import around, combine
from keras_attention.mask.structured_mask import as_structured_mask
from keras_attention.precision import score_dtype
from keras_attention.score.location_aware import LocationAwareScore
from keras_attention.types import Config, Initializer, Nest, Normalizer, Regularizer, Tensor

SCORE_ARGUMENTS = (
    "units",
    "filters",
    "width",
    "use_bias",
    "kernel_initializer",
    "scale_initializer",
    "bias_initializer",
    "kernel_regularizer",
)


@keras.saving.register_keras_serializable(package="keras_attention")
class LocationAwareAttention(SequentialAttention):
    """Chorowski's location-aware attention: scores depend on where the previous query attended.

    score: additive, with a convolution of the previous weights; mask: padding, causal, window;
    normalize: softmax, sharpened or smooth; read: weighted sum.

        located_i    = (filters * weights_{i-1}) location_kernel                       (equation 8)
        score[i, j]  = scale . tanh(query_i Wq + key_j Wk + located_i[j] + bias)       (equation 9)
        weights_i    = softmax(sharpness score_i), or smooth                 (equations 10 and 11)
        context_i    = sum_j weights_i[j] value_j

    The queries are evaluated in order, as the steps of a loop. In an `AttentionDecoder`, the
    weights are part of its state. If a query is masked or has no visible key, the next one
    continues from the weights before it.

    Weights, in this order: `query_kernel` (Dq, units), `key_kernel` (Dk, units), `scale` (units,),
    with `use_bias` `bias` (units,), `filters` (width, 1, filters), or (width, 2, filters) if
    `cumulative`, and `location_kernel` (filters, units).

    Args:
        units: Width of the hidden layer; None takes the query's width.
        filters: Number of filters; 10 in the paper.
        width: Number of previous weights that a filter covers, an odd int; 201 in the paper, for
            frames of 10 ms.
        normalize: "softmax", "smooth" or another normalizer, as in `Attention`.
        sharpness: Factor of the scores, a number above 0; 2 sharpens the weights.
        window: In inference, only keys within this distance of the median of the previous weights
            are visible; None = all keys. A window of masked keys only has no effect. In training
            all keys are visible, because a window would exclude the right key as long as the
            weights are still wrong.
        cumulative: Whether the filters also see the sum of all previous weights.
        start: Weights before the first query: "uniform", over the visible keys; "first", all at the
            first visible key; None = "first" with a window, otherwise "uniform".
        use_bias: Whether to add a bias inside the tanh.
        dropout: Fraction of the weights to drop in training, in [0, 1).
        seed: Seed of the dropout, an int or None.
        kernel_initializer: Initializer of all kernels and of the filters.
        scale_initializer: Initializer of `scale`.
        bias_initializer: Initializer of `bias`.
        kernel_regularizer: Regularizer of all kernels and of the filters.
        implementation: "auto" or "plain", which are the same: the keys' part of the score changes
            at every query, so that no kernel applies.

    Call arguments:
        As in `keras_attention.Attention`; inputs of rank 3, or a single query `(batch, Dq)`.

    Returns:
        Context `(batch, Tq, Dv)`, and with `return_attention_scores` the weights
        `(batch, Tq, Tk)`; `(batch, Dv)` and `(batch, Tk)` for a single query.

    Raises:
        ValueError: If an argument, a shape or a mask is not as described.

    Example:
    >>> decoder = keras_attention.AttentionDecoder(
    ...     keras.layers.GRUCell(16), keras_attention.LocationAwareAttention(units=8, width=5))
    >>> target, frames = np.ones((2, 3, 5), "float32"), np.ones((2, 50, 6), "float32")
    >>> decoder(target, frames).shape
    TensorShape([2, 3, 16])

    Differs from the paper: the window is symmetric and has no effect in training; `use_bias` is
    False by default.

    Reference:
        Attention-Based Models for Speech Recognition, Chorowski, Bahdanau, Serdyuk, Cho, Bengio
        (2015), section 2, https://arxiv.org/abs/1506.07503.
    """

    def __init__(
        self,
        units: int | None = None,
        filters: int = 10,
        width: int = 31,
        normalize: str | Normalizer = "softmax",
        sharpness: float = 1.0,
        window: int | None = None,
        cumulative: bool = False,
        start: Literal["uniform", "first"] | None = None,
        use_bias: bool = False,
        dropout: float = 0.0,
        seed: int | None = None,
        kernel_initializer: Initializer = "glorot_uniform",
        scale_initializer: Initializer = "glorot_uniform",
        bias_initializer: Initializer = "zeros",
        kernel_regularizer: Regularizer = None,
        implementation: Literal["auto", "plain"] = "auto",
        **kwargs,
    ):
        score = LocationAwareScore(
            units=units,
            filters=filters,
            width=width,
            channels=2 if arguments.boolean("cumulative", cumulative) else 1,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            scale_initializer=scale_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            dtype=kwargs.get("dtype"),
            name="score",
        )
        self.unsharpened = keras_attention.normalize.get(normalize)
        super().__init__(
            score=score,
            normalize=_sharpen(self.unsharpened, arguments.positive_number("sharpness", sharpness)),
            dropout=dropout,
            seed=seed,
            implementation=arguments.one_of("implementation", implementation, ("auto", "plain")),
            **kwargs,
        )
        self.sharpness = sharpness
        self.window = arguments.positive_integer("window", window, optional=True)
        self.cumulative = cumulative
        self.start = arguments.one_of("start", start, (None, "uniform", "first"))
        if self.window is not None and start == "uniform":
            raise ValueError(
                "Expected start='first' with a window: around the median of uniform weights, the "
                f"middle, it would exclude the first keys. Received: start='uniform', {window=}"
            )
        self.perturbation = SeededDropout(self, marks_training=self.window is not None)

    def initial_carry(self, memory: PreparedMemory) -> Nest:
        is_first = self.start == "first" or (self.start is None and self.window is not None)
        start_weights = first_key_weights if is_first else uniform_weights
        weights = start_weights(memory, score_dtype(self.compute_dtype))
        return (weights, ops.zeros_like(weights)) if self.cumulative else (weights,)

    def carry_spec(self, batch: int | None, keys: int | None) -> Nest:
        """Return the specs of the previous weights and, with `cumulative`, of their sum."""
        dtype = score_dtype(self.compute_dtype)
        count = 2 if self.cumulative else 1
        return tuple(keras.KerasTensor((batch, keys), dtype=dtype) for _ in range(count))

    def attend_step(
        self,
        query: Tensor,
        memory: PreparedMemory,
        carry: Nest,
        noise: Nest = None,
        positions: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, Nest]:
        """Attend with one query per sequence; see `QueryValueAttention.attend_step`."""
        located = self.score.locate(ops.stack(carry, axis=-1))
        mask = as_structured_mask(memory.mask, 1, ops.shape(memory.values)[-2]).dense()
        is_training = noise is not None
        if self.window is not None and not is_training:
            mask = self._add_window(mask, carry[0])
        memory = PreparedMemory(memory.keys + located, memory.values, mask)
        output, weights = QueryValueAttention.attend(self, query, memory, noise)
        new_carry = (weights, carry[1] + weights) if self.cumulative else (weights,)
        has_attended = ops.any(weights > 0, axis=-1, keepdims=True)
        new_carry = tuple(
            ops.where(has_attended, new, old) for new, old in zip(new_carry, carry, strict=True)
        )
        return output, weights, new_carry

    def _add_window(self, mask, previous):
        """Return the mask `(batch, 1, Tk)` with the window, unless the window hides all keys."""
        near = ops.expand_dims(around(previous, self.window), -2)
        if mask is None:
            return near
        visible = combine(mask, near)
        return ops.where(ops.any(visible, axis=-1, keepdims=True), visible, mask)

    def get_config(self) -> Config:
        score = self.score.get_config()
        return {
            **super().get_config(),
            **{name: score[name] for name in SCORE_ARGUMENTS},
            "normalize": keras_attention.normalize.serialize(self.unsharpened),
            "sharpness": self.sharpness,
            "window": self.window,
            "cumulative": self.cumulative,
            "start": self.start,
        }


def _sharpen(normalize, factor):
    if factor == 1:
        return normalize
    return lambda scores, mask=None: normalize(factor * scores, mask)
