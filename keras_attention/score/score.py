"""The first step, asked in three calls so that loops and kernels do each side once."""

import keras

from keras_attention.base_layer import BaseLayer
from keras_attention.precision import score_dtype, to_score_precision

# How a score with a kernel may be evaluated by the package's layers.
IMPLEMENTATIONS = ("auto", "plain", "blockwise")


class Score(BaseLayer):
    """How well does each key answer each query?

    Abstract. A score of your own is a subclass with `compare` alone; give it to
    `keras_attention.Attention(score=...)`. Projections come with `project_query` and
    `project_key`, weights with `build(query_shape, key_shape)`.

    The layers hand over float32 (or float64) tensors whatever the dtype policy, and take care of
    masks: a score never sees one.

    Call arguments:
        query: `(batch, ..., Tq, Dq)`.
        key: `(batch, ..., Tk, Dk)`.

    Returns:
        Scores `(batch, ..., Tq, Tk)`, any real numbers.

    Example:
    >>> @keras.saving.register_keras_serializable()
    ... class NegativeDistance(keras_attention.score.Score):
    ...     def compare(self, query, key):
    ...         difference = query[..., :, None, :] - key[..., None, :, :]
    ...         return -keras.ops.sum(difference**2, axis=-1)
    >>> layer = keras_attention.Attention(score=NegativeDistance())
    >>> layer(np.ones((2, 5, 3), "float32")).shape
    TensorShape([2, 5, 3])
    """

    def build(self, query_shape, key_shape):
        """Makes the weights; a score without weights has nothing to do here."""

    def project_query(self, query):
        """The query's side of the score, `(batch, ..., Tq, any)`: computed once per query."""
        return query

    def project_key(self, key):
        """The key's side of the score, `(batch, ..., Tk, any)`: computed once per sequence."""
        return key

    def compare(self, query, key):
        """Scores `(batch, ..., Tq, Tk)` of projected queries and projected keys."""
        raise NotImplementedError(f"{type(self).__name__} has no `compare(query, key)`")

    def covers(self, key):
        """Which keys the score can speak of: bool `(1, Tk)`, or None for all of them."""
        return None

    def call(self, query, key):
        return self.compare(
            self.project_query(to_score_precision(query)), self.project_key(to_score_precision(key))
        )

    def compute_output_spec(self, query, key):
        shape = (*query.shape[:-1], key.shape[-2])
        return keras.KerasTensor(shape, dtype=score_dtype(self.compute_dtype))
