"""Additive attention (Bahdanau, Cho, Bengio 2015)."""

import keras

from keras_attention.kernels.attention import Implementation
from keras_attention.layers.query_value.base import QueryValueAttention
from keras_attention.normalize import softmax
from keras_attention.score import AdditiveScore
from keras_attention.types import Config, Initializer, Regularizer

SCORE_ARGUMENTS = (
    "units",
    "use_bias",
    "kernel_initializer",
    "scale_initializer",
    "bias_initializer",
    "kernel_regularizer",
    "normalized",
)


@keras.saving.register_keras_serializable(package="keras_attention")
class AdditiveAttention(QueryValueAttention):
    """Bahdanau's additive attention, including its projections.

    score: additive; mask: padding, causal; normalize: softmax; read: weighted sum.

        score[i, j] = scale . tanh(query_i Wq + key_j Wk + bias)
        context_i   = sum_j softmax_j(score[i, j]) value_j

    With `normalized`, `gain scale / |scale|` replaces `scale` in the score.

    Weights, in this order: `query_kernel` (Dq, units), `key_kernel` (Dk, units), `scale` (units,);
    with `use_bias`, `bias` (units,); and with `normalized`, `gain` (), initially 1 / sqrt(units).

    Args:
        units: Width of the hidden layer; None takes the query's width.
        use_bias: Whether to add a bias inside the tanh.
        dropout: Fraction of the weights to drop in training, in [0, 1).
        seed: Seed of the dropout, an int or None.
        kernel_initializer: Initializer of both kernels.
        scale_initializer: Initializer of `scale`.
        bias_initializer: Initializer of `bias`.
        kernel_regularizer: Regularizer of both kernels.
        implementation: "plain" computes the formula with its tensor of `(batch, Tq, Tk, units)`.
            "blockwise" gives the same numbers, to rounding, without that tensor; for long
            sequences it does not store scores or weights either, unless the weights are returned,
            and recomputes them (and the dropout) block by block in the gradient. An
            `attention_mask` still has an element for each pair. "auto" chooses the faster one for
            the sizes, including sizes that are known only at run time. Forward-mode
            derivatives, such as `jax.jvp`, need "plain".
        normalized: Whether to normalize `scale` and multiply it by a learned `gain`, as
            `BahdanauAttention(normalize=True)` of TensorFlow Addons does (which also has a bias).

    Call arguments:
        As in `keras_attention.Attention`: one tensor, `[query, value]` or `[query, value, key]`,
        with `mask`, `attention_mask`, `return_attention_scores`, `use_causal_mask`, `training`.

    Returns:
        Context `(batch, Tq, Dv)`, and with `return_attention_scores` the weights
        `(batch, Tq, Tk)`; `(batch, Dv)` and `(batch, Tk)` for a single query `(batch, Dq)`.

    Raises:
        ValueError: If an argument, a shape or a mask is not as described.

    Example:
    >>> model = keras.Sequential([keras.Input((None, 16))])
    >>> model.add(keras_attention.AdditiveAttention(units=8))
    >>> model.output_shape
    (None, None, 16)

    Differs from the paper: kernels are initialized by glorot_uniform (in the paper from
    N(0, 0.001^2), and `scale` with zeros). Differs from `keras.layers.AdditiveAttention`, which has
    no projections; with identity kernels the two give the same numbers.

    Reference:
        Neural Machine Translation by Jointly Learning to Align and Translate, Bahdanau, Cho,
        Bengio (2015), https://arxiv.org/abs/1409.0473.
    """

    def __init__(
        self,
        units: int | None = None,
        use_bias: bool = False,
        dropout: float = 0.0,
        seed: int | None = None,
        kernel_initializer: Initializer = "glorot_uniform",
        scale_initializer: Initializer = "glorot_uniform",
        bias_initializer: Initializer = "zeros",
        kernel_regularizer: Regularizer = None,
        implementation: Implementation = "auto",
        normalized: bool = False,
        **kwargs,
    ):
        score = AdditiveScore(
            units=units,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            scale_initializer=scale_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            normalized=normalized,
            dtype=kwargs.get("dtype"),
            name="score",
        )
        super().__init__(
            score=score,
            normalize=softmax,
            dropout=dropout,
            seed=seed,
            implementation=implementation,
            **kwargs,
        )
        self.units = units
        self.use_bias = use_bias
        self.normalized = normalized

    def get_config(self) -> Config:
        score = self.score.get_config()
        return {
            **super().get_config(),
            **{name: score[name] for name in SCORE_ARGUMENTS},
        }
