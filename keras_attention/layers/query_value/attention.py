"""Attention with any score and any normalizer."""

import keras

import keras_attention.normalize
import keras_attention.score
from keras_attention.kernels.attention import Implementation
from keras_attention.layers.query_value.base import QueryValueAttention
from keras_attention.normalize import softmax
from keras_attention.score import Score
from keras_attention.types import Config, Normalizer


@keras.saving.register_keras_serializable(package="keras_attention")
class Attention(QueryValueAttention):
    """Attention with a score and a normalizer of your choice.

    score: any; mask: padding, causal, any; normalize: any; read: weighted sum.

        scores  = score(query, key)               (batch, Tq, Tk)
        weights = normalize(scores, mask)         (batch, Tq, Tk)
        context = weights @ value                 (batch, Tq, Dv)

    `Attention()` gives the numbers of `keras.layers.Attention()`, and
    `Attention(score=keras_attention.score.DotScore(use_scale=True))` those of
    `keras.layers.Attention(use_scale=True)`, wherever at least one key is visible. (Keras's layer
    ignores a third mask, the key's, and gives masked queries weights that are not zero; this layer
    applies that mask, and gives masked queries zero weights. With unequal numbers of queries and
    keys, Keras aligns the causal mask to the upper left; this layer aligns it to the lower right.)

    Args:
        score: "additive", "cosine", "dot", "general", "scaled_dot", or a
            `keras_attention.score.Score` (for a score of your own, subclass it and define
            `compare`).
        normalize: "softmax", "sparsemax", "hardmax", or a function `(scores, mask) -> weights`
            (`keras_attention.normalize.masked` converts a function `scores -> weights`).
        dropout: Fraction of the weights to drop in training, in [0, 1).
        seed: Seed of the dropout, an int or None.
        implementation: "plain" computes the four steps with all `(batch, Tq, Tk)` weights.
            "blockwise" gives the same numbers, to rounding, and stores the weights only if they are
            returned. It supports the scores "additive", "dot", "general" and "scaled_dot", the last
            three with softmax only; `AdditiveAttention` and `LuongAttention` describe it.
            "auto" chooses the faster one for the sizes. Second derivatives (on PyTorch, and on
            TensorFlow under XLA) and `jax.jvp` need "plain".

    Call arguments:
        inputs: One tensor `(batch, T, D)`, which attends to itself, or a list or tuple `[query,
            value]` or `[query, value, key]` of query `(batch, Tq, Dq)` or `(batch, Dq)` for a
            single query, value `(batch, Tk, Dv)` and key `(batch, Tk, Dk)`. There may be more batch
            axes. A batch axis of size 1, such as that of one memory for all queries, is broadcast.
        mask: Keras masks: one `(batch, T)` for one tensor, else a list `[query_mask, value_mask]`
            or `[query_mask, value_mask, key_mask]`, whose entries may be None. None = the Keras
            masks of the inputs. A query that is masked itself, or has no visible key, gets a zero
            context. A mask has exactly the shape of its sequence. Here and in every mask argument,
            numbers must be 0 or 1: outside of compiled functions, where values are known, a mask of
            0 and -1e9 raises an error.
        attention_mask: Bool, broadcastable to `(batch, Tq, Tk)`, True = visible.
        return_attention_scores: Whether to return the weights too. It never changes the context.
            `keras_attention.export.attention_of` gives the weights of a trained or loaded model.
        use_causal_mask: Whether key j is visible to query i only if `j <= i + Tk - Tq`.
        training: Whether to drop weights.

    Returns:
        Context `(batch, Tq, Dv)`, and with `return_attention_scores` the weights
        `(batch, Tq, Tk)` before dropout; `(batch, Dv)` and `(batch, Tk)` for a single query.

    Raises:
        ValueError: If an argument, a shape or a mask is not as described.

    Example:
    >>> query, value = np.ones((2, 3, 8), "float32"), np.ones((2, 5, 8), "float32")
    >>> layer = keras_attention.Attention(score="scaled_dot", normalize="sparsemax")
    >>> context, weights = layer([query, value], return_attention_scores=True)
    >>> context.shape, weights.shape
    (TensorShape([2, 3, 8]), TensorShape([2, 3, 5]))
    """

    def __init__(
        self,
        score: Score | str | Config = "dot",
        normalize: Normalizer | str = "softmax",
        dropout: float = 0.0,
        seed: int | None = None,
        implementation: Implementation = "auto",
        **kwargs,
    ):
        super().__init__(
            score=keras_attention.score.get(score, kwargs.get("dtype")),
            normalize=keras_attention.normalize.get(normalize),
            dropout=dropout,
            seed=seed,
            implementation=implementation,
            **kwargs,
        )
        family = self.score.kernel_family
        if implementation == "blockwise" and family is None:
            raise ValueError(
                "Expected implementation='auto' or 'plain' for a `score` without a blockwise "
                "implementation: only 'additive', 'dot', 'general' and 'scaled_dot' have one. "
                f"Received: score={score!r}, implementation='blockwise'"
            )
        if implementation == "blockwise" and family == "dot" and self.normalize is not softmax:
            raise ValueError(
                "Expected normalize='softmax' for a dot product with implementation='blockwise'. "
                f"Received: normalize={normalize!r}, implementation='blockwise'"
            )

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "score": keras.saving.serialize_keras_object(self.score),
            "normalize": keras_attention.normalize.serialize(self.normalize),
        }
