"""Step 1, score: how well does each key answer each query?  (B,Tq,Dq),(B,Tk,Dk) -> (B,Tq,Tk)."""

import keras

from keras_attention.score.additive import AdditiveScore
from keras_attention.score.cosine import CosineScore
from keras_attention.score.dot import DotScore
from keras_attention.score.general import GeneralScore
from keras_attention.score.location import LocationScore
from keras_attention.score.score import Score

__all__ = [
    "AdditiveScore",
    "CosineScore",
    "DotScore",
    "GeneralScore",
    "LocationScore",
    "Score",
    "get",
]

# LocationScore is not here: nothing can guess its `max_length`.
NAMED = {
    "additive": AdditiveScore,
    "cosine": CosineScore,
    "dot": DotScore,
    "general": GeneralScore,
    "scaled_dot": lambda **kwargs: DotScore(scaled=True, **kwargs),
}


def get(score, dtype=None):
    """The `Score` that `score` stands for.

    Args:
        score: A `Score`, the config of one, or one of the names "additive", "cosine", "dot",
            "general", "scaled_dot".
        dtype: dtype policy of a score made from its name.

    Returns:
        A `Score`.

    Raises:
        ValueError: If it is none of these.

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
