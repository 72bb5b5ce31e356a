"""Step 1, score: how well each key matches each query.  (B,Tq,Dq),(B,Tk,Dk) -> (B,Tq,Tk)."""

import keras

from keras_attention.score.additive import AdditiveScore
from keras_attention.score.cosine import CosineScore
from keras_attention.score.dot import DotScore
from keras_attention.score.general import GeneralScore
from keras_attention.score.location import LocationScore
from keras_attention.score.location_aware import LocationAwareScore
from keras_attention.score.score import Score
from keras_attention.types import Config

__all__ = [
    "AdditiveScore",
    "CosineScore",
    "DotScore",
    "GeneralScore",
    "LocationAwareScore",
    "LocationScore",
    "Score",
    "get",
]

# LocationScore has no name, because its `max_length` has no default.
NAMED = {
    "additive": AdditiveScore,
    "cosine": CosineScore,
    "dot": DotScore,
    "general": GeneralScore,
    "scaled_dot": lambda **kwargs: DotScore(scaled=True, **kwargs),
}


def get(score: Score | str | Config, dtype: str | keras.DTypePolicy | None = None) -> Score:
    """Return the `Score` for a name, a config or a `Score`.

    Args:
        score: A `Score`, its config, or one of the names "additive", "cosine", "dot",
            "general", "scaled_dot".
        dtype: Dtype policy of a score that is created from its name.

    Returns:
        A `Score`.

    Raises:
        ValueError: If `score` is none of these.

    Example:
    >>> keras_attention.score.get("dot").scaled
    False
    """
    if isinstance(score, dict):
        score = keras.saving.deserialize_keras_object(score)
    if isinstance(score, str) and score in NAMED:
        return NAMED[score](dtype=dtype)
    if isinstance(score, Score):
        return score
    raise ValueError(
        f"Expected `score` to be one of {sorted(NAMED)} or a keras_attention.score.Score. "
        f"Received: score={score!r}"
    )
