"""Attention put together from any score and any normalizer."""

import keras

import keras_attention.normalize
import keras_attention.score
from keras_attention.kernels.dot.one_head import is_dot
from keras_attention.layers.query_value.base import QueryValueAttention
from keras_attention.normalize import softmax


@keras.saving.register_keras_serializable(package="keras_attention")
class Attention(QueryValueAttention):
    """Attention with a score and a normalizer of your choice.

    score: any; mask: padding, causal, any; normalize: any; read: weighted sum.

        scores  = score(query, key)               (batch, Tq, Tk)
        weights = normalize(scores, mask)         (batch, Tq, Tk)
        context = weights @ value                 (batch, Tq, Dv)

    `Attention()` gives the numbers of `keras.layers.Attention()`, and
    `Attention(score=keras_attention.score.DotScore(use_scale=True))` those of
    `keras.layers.Attention(use_scale=True)`, wherever at least one key may be seen. (There a third
    mask, the key's, is ignored, and a masked query's weights are not zero; here it is, and they
    are.)

    Args:
        score: "additive", "cosine", "dot", "general", "scaled_dot", or a
            `keras_attention.score.Score` (subclass it with `compare` for one of your own).
        normalize: "softmax", "sparsemax", "hardmax", or a function `(scores, mask) -> weights`
            (`keras_attention.normalize.masked` makes one of `scores -> weights`).
        dropout: Fraction of the weights to drop in training, in [0, 1).
        seed: Seed of the dropout, an int or None.

    With softmax, and weights that are not asked for, long sequences are read block by block without
    a table of all pairs, as the `implementation` of a dot or additive score says (on
    PyTorch, of dot products only where no weights are dropped).

    Call arguments:
        inputs: One tensor `(batch, T, D)`, which attends to itself, or a list or tuple `[query,
            value]` or `[query, value, key]` of query `(batch, Tq, Dq)` or `(batch, Dq)` for a
            single one, value `(batch, Tk, Dv)` and key `(batch, Tk, Dk)`.
        mask: Keras masks: one `(batch, T)` for one tensor, else a list `[query_mask, value_mask]`
            or `[query_mask, value_mask, key_mask]`; entries may be None. Taken from the inputs
            where not given. A query that is masked, or that may see nothing, reads zeros.
        attention_mask: Bool, broadcastable to `(batch, Tq, Tk)`, True = may be seen.
        return_attention_scores: Whether to return the weights too. Never changes the context.
        use_causal_mask: Whether query i sees key j only where `j <= i + Tk - Tq`.
        training: Whether to drop weights.

    Returns:
        Context `(batch, Tq, Dv)`, and with `return_attention_scores` the weights
        `(batch, Tq, Tk)` before dropout; `(batch, Dv)` and `(batch, Tk)` for a single query.

    Raises:
        ValueError: If an argument, a shape or a mask is not one of these.

    Example:
    >>> query, value = np.ones((2, 3, 8), "float32"), np.ones((2, 5, 8), "float32")
    >>> layer = keras_attention.Attention(score="scaled_dot", normalize="sparsemax")
    >>> context, weights = layer([query, value], return_attention_scores=True)
    >>> context.shape, weights.shape
    (TensorShape([2, 3, 8]), TensorShape([2, 3, 5]))
    """

    def __init__(self, score="dot", normalize="softmax", dropout=0.0, seed=None, **kwargs):
        super().__init__(
            score=keras_attention.score.get(score, kwargs.get("dtype")),
            normalize=keras_attention.normalize.get(normalize),
            dropout=dropout,
            seed=seed,
            **kwargs,
        )
        is_blockwise = getattr(self.score, "implementation", None) == "blockwise"
        if is_blockwise and is_dot(self.score) and self.normalize is not softmax:
            raise ValueError(
                "Expected normalize='softmax' with a dot product's implementation='blockwise'. "
                f"Received: normalize={normalize!r}"
            )

    def get_config(self):
        return {
            **super().get_config(),
            "score": keras.saving.serialize_keras_object(self.score),
            "normalize": keras_attention.normalize.serialize(self.normalize),
        }
