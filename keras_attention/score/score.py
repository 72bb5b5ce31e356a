"""Step 1 as three functions, so that loops and kernels can compute each side only once."""

from typing import Literal

import keras

from keras_attention.base_layer import BaseLayer
from keras_attention.precision import (
    HALF_PRECISION,
    saturate_cast,
    score_dtype,
    to_score_precision,
)
from keras_attention.types import Shape, Tensor


class Score(BaseLayer):
    """Abstract score: how well each key matches each query.

    A score of your own is a subclass that defines `compare` alone; pass it to
    `keras_attention.Attention(score=...)`. Projections are defined by `project_query` and
    `project_key`, weights by `build(query_shape, key_shape)`.

    The layers pass float32 (or float64) tensors whatever the dtype policy, and apply masks
    themselves: a score never receives one.

    `kernel_family` names the kernels that compute the same numbers as `compare` of projected
    queries and keys: "dot" (`query . key`), "additive" (`self.scale . tanh(query + key)`), or None.
    A subclass that defines `compare` has no kernels,
    unless it names a family itself; one that defines `covers` never has.

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

    kernel_family: Literal["dot", "additive"] | None = None

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        for owner in cls.__mro__:  # mix-ins included
            if "kernel_family" in vars(owner):
                break
            if "compare" in vars(owner):
                cls.kernel_family = None
                break
        owners = cls.__mro__[: cls.__mro__.index(Score)]
        if any("covers" in vars(owner) for owner in owners):
            cls.kernel_family = None

    def build(self, query_shape: Shape, key_shape: Shape) -> None:
        """Create the weights; a score without weights does nothing here."""

    def project_query(self, query: Tensor) -> Tensor:
        """Return the query's side of the score, `(batch, ..., Tq, D)`: computed once per query."""
        return query

    def project_key(self, key: Tensor) -> Tensor:
        """Return the key's side of the score, `(batch, ..., Tk, D)`: computed once per sequence."""
        return key

    def compare(self, query: Tensor, key: Tensor) -> Tensor:
        """Return the scores `(batch, ..., Tq, Tk)` of projected queries and projected keys."""
        raise NotImplementedError(f"{type(self).__name__} has no `compare(query, key)`")

    def covers(self, key: Tensor) -> Tensor | None:
        """Return which keys the score is defined for: bool `(1, Tk)`, or None for all keys."""
        return None

    def round_to_half(self, x: Tensor) -> Tensor:
        """Round an input or a factor of a product, if the score's dtype is half precision."""
        is_half = self.compute_dtype in HALF_PRECISION
        return saturate_cast(x, self.compute_dtype) if is_half else x

    def call(self, query: Tensor, key: Tensor) -> Tensor:
        return self.compare(
            self.project_query(to_score_precision(query)), self.project_key(to_score_precision(key))
        )

    def compute_output_spec(self, query: Tensor, key: Tensor) -> keras.KerasTensor:
        shape = (*query.shape[:-1], key.shape[-2])
        return keras.KerasTensor(shape, dtype=score_dtype(self.compute_dtype))
