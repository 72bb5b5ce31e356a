"""Luong's global attention and attentional vector (Luong, Pham, Manning 2015)."""

import keras

from keras_attention import arguments
from keras_attention.layers.query_value.luong_base import Luong
from keras_attention.score.score import IMPLEMENTATIONS

SCORES = ("dot", "general", "concat", "location")


@keras.saving.register_keras_serializable(package="keras_attention")
class LuongAttention(Luong):
    """Luong's global attention with any of the paper's four scores.

    score: dot, general, concat or location; mask: padding, causal; normalize: softmax;
    read: weighted sum, then the attentional vector if `units` is given.

        dot:      score[i, j] = query_i . key_j
        general:  score[i, j] = query_i^T W key_j
        concat:   score[i, j] = v . tanh(W [query_i; key_j]),  v of the query's width
        location: score[i, j] = (W query_i)_j,  keys beyond `max_length` are never seen
        context_i  = sum_j softmax_j(score[i, j]) value_j
        with units: h~_i = tanh([context_i; query_i] Wc)

    Weights: `output_kernel` (Dv + Dq, units) if `units` is given, then those of the score.

    Args:
        score: "dot", "general", "concat" or "location".
        units: Width of the attentional vector h~ that is returned in the context's place; None
            returns the bare context.
        max_length: Number of positions that score="location" knows (S_max), required there and
            refused elsewhere.
        dropout: Fraction of the weights to drop in training, in [0, 1).
        seed: Seed of the dropout, an int or None.
        kernel_initializer: Initializer of all kernels. The paper draws from U(-0.1, 0.1).
        kernel_regularizer: Regularizer of all kernels.
        implementation: "plain" makes the table of all scores and weights; "blockwise", not for
            score="location", gives the same numbers to rounding without it, unless the weights are
            asked for (or, on PyTorch, of a product dropped); "auto" takes what is faster for the
            sizes. A gradient of a gradient under XLA on TensorFlow, or on PyTorch, and `jax.jvp`
            need "plain".

    Call arguments:
        As in `keras_attention.Attention`: one tensor, `[query, value]` or `[query, value, key]`,
        with `mask`, `attention_mask`, `return_attention_scores`, `use_causal_mask`, `training`.
        With `units`, a query that may see nothing gives `tanh([0; query] Wc)`, and a query that
        is masked itself gives zeros.

    Returns:
        Context `(batch, Tq, Dv)`, or h~ `(batch, Tq, units)`, and with `return_attention_scores`
        the weights `(batch, Tq, Tk)`; all without `Tq` for a single query `(batch, Dq)`.

    Raises:
        ValueError: If an argument, a shape or a mask is not one of these.

    Example:
    >>> states, memory = np.ones((2, 3, 8), "float32"), np.ones((2, 5, 16), "float32")
    >>> keras_attention.LuongAttention(score="general", units=10)([states, memory]).shape
    TensorShape([2, 3, 10])

    Differs from the paper: `concat` has a full W, where the published figures fixed the keys'
    part of it to the identity (footnote 15). Differs from `keras.layers.Attention(score_mode=
    "concat")`, which sums tanh(query + key) without weights.

    Reference:
        Effective Approaches to Attention-based Neural Machine Translation, Luong, Pham, Manning
        (2015), section 3.1, https://arxiv.org/abs/1508.04025.
    """

    def __init__(
        self,
        score="general",
        units=None,
        max_length=None,
        dropout=0.0,
        seed=None,
        kernel_initializer="glorot_uniform",
        kernel_regularizer=None,
        implementation="auto",
        **kwargs,
    ):
        arguments.one_of("score", score, SCORES)
        arguments.one_of("implementation", implementation, IMPLEMENTATIONS)
        if score == "location" and implementation == "blockwise":
            raise ValueError(
                "Expected `implementation` 'auto' or 'plain' with score='location'. "
                f"Received: implementation={implementation!r}"
            )
        if score != "location" and max_length is not None:
            raise ValueError(
                f"Expected `max_length` with score='location' only. Received: score={score!r}, "
                f"max_length={max_length!r}"
            )
        super().__init__(
            score=score,
            units=units,
            max_length=max_length,
            dropout=dropout,
            seed=seed,
            kernel_initializer=kernel_initializer,
            kernel_regularizer=kernel_regularizer,
            **kwargs,
        )
        self.max_length = max_length
        self.implementation = self.score.implementation = implementation

    def get_config(self):
        return {
            **super().get_config(),
            "max_length": self.max_length,
            "implementation": self.implementation,
        }
