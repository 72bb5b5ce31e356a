"""Base class of scores: two projections, which loops compute only once, and a comparison."""

from typing import Literal

import keras

from keras_attention.base_layer import BaseLayer
from keras_attention.precision import (
    score_dtype,
    to_score_precision,
)
from keras_attention.types import Shape, Tensor


class Score(BaseLayer):
    """Abstract score: how well each key matches each query.

    To write your own score, subclass this class and define `compare`; then pass an instance to
    `keras_attention.Attention(score=...)`. To project queries or keys first, define `project_query`
    or `project_key`. To add weights, define `build(query_shape, key_shape)`.

    The layers pass float32 (or float64) tensors, whatever the dtype policy. They apply masks
    themselves, so a score never receives a mask. The package's own scores round the factors of
    their products to half precision if that is their own dtype.

    `kernel_family` names the kernels that may replace `compare`, because they return the same
    scores for projected queries and keys: "dot" (`query . key`), "additive"
    (`self.compute_scale() . tanh(query + key)`), or None. It is None for a subclass that defines
    `compare`, unless it sets `kernel_family` too, and for every subclass that defines `covers`.

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
        """Project the query to `(batch, ..., Tq, D)`; called once per query."""
        return query

    def project_key(self, key: Tensor) -> Tensor:
        """Project the key to `(batch, ..., Tk, D)`; called once per sequence."""
        return key

    def compare(self, query: Tensor, key: Tensor) -> Tensor:
        """Return the scores `(batch, ..., Tq, Tk)` of projected queries and projected keys."""
        raise NotImplementedError(f"{type(self).__name__} has no `compare(query, key)`")

    def compute_scale(self) -> Tensor:
        """Return the scale `(units,)` with which "additive" kernels multiply the tanh."""
        return self.scale

    def covers(self, key: Tensor) -> Tensor | None:
        """Return a mask of the keys that can be scored: bool `(1, Tk)`, or None for all keys."""
        return None

    def call(self, query: Tensor, key: Tensor) -> Tensor:
        return self.compare(
            self.project_query(to_score_precision(query)), self.project_key(to_score_precision(key))
        )

    def compute_output_spec(self, query: Tensor, key: Tensor) -> keras.KerasTensor:
        shape = (*query.shape[:-1], key.shape[-2])
        return keras.KerasTensor(shape, dtype=score_dtype(self.compute_dtype))
