"""Luong's global attention and attentional vector (Luong, Pham, Manning 2015)."""

from typing import Literal

import keras

from keras_attention import arguments
from keras_attention.kernels.attention import Implementation
from keras_attention.layers.query_value.luong_base import Luong
from keras_attention.types import Config, Initializer, Regularizer

SCORES = ("dot", "general", "concat", "location")


@keras.saving.register_keras_serializable(package="keras_attention")
class LuongAttention(Luong):
    """Luong's global attention with any of the paper's four scores.

    score: dot, general, concat or location; mask: padding, causal; normalize: softmax;
    read: weighted sum, then the attentional vector if `units` is given.

        dot:      score[i, j] = query_i . key_j
        general:  score[i, j] = query_i^T W key_j
        concat:   score[i, j] = v . tanh(W [query_i; key_j]),  v of the query's width
        location: score[i, j] = (W query_i)_j,  keys beyond `max_length` are masked
        with use_scale: score[i, j] = scale query_i . key_j, or scale query_i^T W key_j
        context_i  = sum_j softmax_j(score[i, j]) value_j
        with units: h~_i = tanh([context_i; query_i] Wc)

    Weights: `output_kernel` (Dv + Dq, units) if `units` is given, then those of the score.

    Args:
        score: "dot", "general", "concat" or "location".
        units: Width of the attentional vector h~ that is returned instead of the context; None
            returns the context itself.
        max_length: Number of positions that have weights (S_max), required with score="location";
            must be None with the other scores.
        dropout: Fraction of the weights to drop in training, in [0, 1).
        seed: Seed of the dropout, an int or None.
        kernel_initializer: Initializer of all kernels; U(-0.1, 0.1) in the paper.
        kernel_regularizer: Regularizer of all kernels.
        implementation: "plain" computes all `(batch, Tq, Tk)` scores and weights. "blockwise", not
            for score="location", gives the same numbers, to rounding, without storing them. It
            still stores the weights to return them, and for dot products on PyTorch in training
            with dropout. "auto" chooses the faster one for the sizes. Second derivatives (on
            PyTorch, and on TensorFlow under XLA) and `jax.jvp` need "plain".
        use_scale: Whether to multiply the scores by a learned scalar (initially 1), as
            `LuongAttention(scale=True)` of TensorFlow Addons does; with score="dot" or "general"
            only.

    Call arguments:
        As in `keras_attention.Attention`: one tensor, `[query, value]` or `[query, value, key]`,
        with `mask`, `attention_mask`, `return_attention_scores`, `use_causal_mask`, `training`.
        With `units`, a query without a visible key gives `tanh([0; query] Wc)`, and a query that is
        masked itself gives zeros.

    Returns:
        Context `(batch, Tq, Dv)`, or h~ `(batch, Tq, units)`, and with `return_attention_scores`
        the weights `(batch, Tq, Tk)`; all without `Tq` for a single query `(batch, Dq)`.

    Raises:
        ValueError: If an argument, a shape or a mask is not as described.

    Example:
    >>> states, memory = np.ones((2, 3, 8), "float32"), np.ones((2, 5, 16), "float32")
    >>> keras_attention.LuongAttention(score="general", units=10)([states, memory]).shape
    TensorShape([2, 3, 10])

    Differs from the paper: `concat` has a full W; for the published results, the keys' part of it
    was fixed to the identity (footnote 15). Differs from `keras.layers.Attention(score_mode=
    "concat")`, which sums tanh(query + key) without weights. Differs from the `LuongAttention` and
    `attention_layer_size` of TensorFlow Addons, where the attentional vector is a linear function
    of [query; context]: see docs/from_tensorflow_addons.md.

    Reference:
        Effective Approaches to Attention-based Neural Machine Translation, Luong, Pham, Manning
        (2015), section 3.1, https://arxiv.org/abs/1508.04025.
    """

    def __init__(
        self,
        score: Literal["dot", "general", "concat", "location"] = "general",
        units: int | None = None,
        max_length: int | None = None,
        dropout: float = 0.0,
        seed: int | None = None,
        kernel_initializer: Initializer = "glorot_uniform",
        kernel_regularizer: Regularizer = None,
        implementation: Implementation = "auto",
        use_scale: bool = False,
        **kwargs,
    ):
        arguments.one_of("score", score, SCORES)
        super().__init__(
            score=score,
            units=units,
            max_length=max_length,
            dropout=dropout,
            seed=seed,
            kernel_initializer=kernel_initializer,
            kernel_regularizer=kernel_regularizer,
            implementation=implementation,
            use_scale=use_scale,
            **kwargs,
        )
        if score == "location" and implementation == "blockwise":
            raise ValueError(
                "Expected `implementation` 'auto' or 'plain' with score='location'. "
                f"Received: implementation={implementation!r}"
            )
        self.max_length = max_length
        self.use_scale = use_scale

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "max_length": self.max_length,
            "use_scale": self.use_scale,
        }
