"""What a layer that samples leaves for REINFORCE, and what is made of it (Williams 1992)."""

import keras
from keras import ops

from keras_attention.precision import at_least_float32

# A last shape (1, 2, 2) that no loss of anybody else's has.
SHAPE = (1, 2, 2)
# A model's own sum gives the gradients 1 and -1 to what cancels. They must not drown ours, which
# are as small as 1 / batch: made this small, they cannot. float16 has no number as small as others.
SMALL, SMALL_IN_FLOAT16 = 2.0**-40, 2.0**-10


def credit(log_probability, entropy):
    """What to `add_loss` in a call that has sampled, so that `reinforce` finds it.

    Its sum is exactly zero and so is that sum's gradient: a model that does not know of it, and
    adds it to its loss as Keras does, is not disturbed.

    Args:
        log_probability: Of all that was drawn for each example, `(batch,)`.
        entropy: Of what it was drawn from, `(batch,)`.

    Returns:
        Tensor `(batch, 1, 2, 2)`: for each of the two, x and -x, where x has the value 0 and
        2^-40 (2^-10 in float16) times the gradient of what was given.
    """
    # Keras adds up losses of its floatx only.
    gradients = ops.cast(ops.stack([log_probability, entropy], axis=-1), keras.config.floatx())
    gradients = ops.subtract(gradients, ops.stop_gradient(gradients))
    gradients = ops.multiply(_small(gradients), gradients)
    return ops.expand_dims(ops.stack([gradients, -gradients], axis=-1), 1)


def _small(gradients):
    is_float16 = keras.backend.standardize_dtype(gradients.dtype) == "float16"
    return SMALL_IN_FLOAT16 if is_float16 else SMALL


def is_credit(loss):
    """Whether `credit` made this one of a model's losses."""
    return len(loss.shape) == 4 and tuple(loss.shape[1:]) == SHAPE


def reinforce(losses, cost, baseline=0.0, reward_weight=0.1, entropy_weight=0.002):
    """REINFORCE's part of the loss, for a training loop of your own; `ReinforceModel` has one.

        mean over examples of
            reward_weight * (cost + baseline) * log p(samples) - entropy_weight * entropy

    in gradient; the value is 0, so what you report stays the loss itself. Minimized together with
    the mean cost, it makes cheap samples more likely.

    Args:
        losses: `layer.losses` or `model.losses` after a call with `training=True`; only what a
            layer that samples, such as `HardAttention(estimator="reinforce")`, left there counts.
            In an eager loop of your own a layer called twice keeps its last call's credit only.
        cost: Of each example, `(batch,)`: the negated reward. Its gradient is stopped.
        baseline: What reward to expect, a number or scalar tensor that the samples of this call
            have no part in; the better it guesses, the less the gradient varies.
        reward_weight: lambda_r of Xu et al. With 1 the gradient of the mean cost plus this one is
            an unbiased estimate of the gradient of the expected mean cost.
        entropy_weight: lambda_e of Xu et al.

    Returns:
        A scalar tensor. A replica of `tf.distribute` has to divide it by their number, like the
        mean cost.

    Raises:
        ValueError: If the cost is not of one number an example, the same examples in the same
            order as those that were sampled for: none may be cut apart or put together between.

    Example:
    >>> layer = keras_attention.HardAttention("dot", seed=1)
    >>> context = layer(np.ones((2, 3, 5), "float32"), training=True)
    >>> cost = keras.ops.sum(context**2, axis=(1, 2))
    >>> float(keras_attention.reinforce(layer.losses, cost))
    0.0
    """
    if len(cost.shape) != 1:
        raise ValueError(
            "Expected `cost` of shape (batch,), a number for each example. "
            f"Received: cost of shape {tuple(cost.shape)}"
        )
    credits = [loss for loss in losses if is_credit(loss)]
    if not credits:
        return ops.zeros((), "float32")
    batches = {each.shape[0] for each in credits} | {cost.shape[0]}
    if len(batches - {None}) > 1:
        raise ValueError(
            "Expected `cost` of the batch that was sampled for. "
            f"Received: cost of shape {tuple(cost.shape)}, "
            f"samples for batches of {sorted({each.shape[0] for each in credits} - {None})}"
        )
    log_probability, entropy = (
        sum(ops.divide(at_least_float32(each[:, 0, i, 0]), _small(each)) for each in credits)
        for i in (0, 1)
    )
    advantage = ops.stop_gradient(ops.cast(ops.add(cost, baseline), log_probability.dtype))
    credited = ops.multiply(reward_weight, ops.multiply(advantage, log_probability))
    return ops.mean(ops.subtract(credited, ops.multiply(entropy_weight, entropy)))
