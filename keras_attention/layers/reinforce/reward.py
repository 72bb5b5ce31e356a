"""Rewards of examples that are not minus their compiled loss."""

import keras
from keras import ops

from keras_attention.integers import to_int32


def get_reward(reward):
    """Return a reward for `compute_cost` from an argument or a saved config.

    Args:
        reward: None, "accuracy", a function `(y, y_pred) -> (batch,)`, or a function's config.

    Raises:
        ValueError: If it is none of these.
    """
    if isinstance(reward, dict):
        reward = keras.saving.deserialize_keras_object(reward)
    is_name = isinstance(reward, str) and reward == "accuracy"
    if reward is not None and not is_name and not callable(reward):
        raise ValueError(
            "Expected `reward` to be None, 'accuracy' or a function (y, y_pred) -> (batch,). "
            f"Received: reward={reward!r}"
        )
    return reward


def serialize_reward(reward):
    """Return the config from which `get_reward` restores a reward."""
    return keras.saving.serialize_keras_object(reward) if callable(reward) else reward


def compute_cost(reward, y, y_pred):
    """Return minus the reward of each example, `(batch,)`, without a gradient.

    Args:
        reward: "accuracy", or a function `(y, y_pred) -> (batch,)`.
        y: The targets.
        y_pred: The outputs.

    Raises:
        ValueError: If the reward is not one number for each example, or does not fit the outputs.
    """
    rewards = _compute_accuracy(y, y_pred) if reward == "accuracy" else reward(y, y_pred)
    if len(getattr(rewards, "shape", ())) != 1:
        raise ValueError(
            "Expected `reward` to return rewards of shape (batch,). "
            f"Received: {getattr(rewards, 'shape', rewards)!r} from reward={reward!r}"
        )
    return ops.negative(ops.stop_gradient(ops.cast(rewards, "float32")))


def _compute_accuracy(y, y_pred):
    if not hasattr(y_pred, "shape") or len(y_pred.shape) != 2:
        shape = getattr(y_pred, "shape", type(y_pred).__name__)
        raise ValueError(
            "Expected a single output (batch, classes) with reward='accuracy'; pass a function "
            f"(y, y_pred) -> (batch,) instead. Received: outputs {shape!r}"
        )
    classes, outputs = y_pred.shape[-1], tuple(y_pred.shape)
    if classes == 1:
        raise ValueError(
            "Expected an output for each class with reward='accuracy', because the largest of one "
            "output is always the same. Use two outputs, or pass a function (y, y_pred) -> "
            f"(batch,), such as keras.metrics.binary_accuracy. Received: outputs {outputs}"
        )
    y = ops.convert_to_tensor(y)
    if len(y.shape) != 1 and (len(y.shape) != 2 or y.shape[-1] not in (1, classes)):
        raise ValueError(
            "Expected classes (batch,) or (batch, 1), or one-hot targets (batch, classes) with "
            "reward='accuracy'; pass a function (y, y_pred) -> (batch,) instead. "
            f"Received: targets {tuple(y.shape)}, outputs {outputs}"
        )
    is_one_hot = len(y.shape) == 2 and y.shape[-1] == classes
    target = ops.argmax(y, axis=-1) if is_one_hot else ops.reshape(y, (-1,))
    return ops.equal(ops.argmax(y_pred, axis=-1), to_int32(target))
