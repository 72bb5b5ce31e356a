"""REINFORCE (Williams 1992): how sampling layers pass log-probabilities to the loss.

REINFORCE needs two things that meet only after the forward pass: the log-probability of each
example's samples, known inside a layer's `call`, and each example's cost, known to the model. A
layer passes the first on by `add_loss`, the one channel from a layer to the loss that works in
`fit` on every backend. `credit` encodes log-probability and entropy in a tensor whose sum has the
value 0 and the gradient 0, so that adding it to a loss, as Keras does, changes nothing. `reinforce`
finds these tensors among the losses by their shape, decodes them and builds the loss term from
them. docs/reinforce.md explains this step by step.
"""

from collections.abc import Sequence

import keras
from keras import ops

from keras_attention import arguments
from keras_attention.precision import at_least_float32
from keras_attention.types import Tensor

# The shape of a credit tensor after the batch axis, by which one is recognized among the losses.
CREDIT_SHAPE = (1, 4, 2)
# Keras's own sum of the losses sends the gradients +1 and -1 to the two entries of a pair, next to
# REINFORCE's gradient, which is as small as 1 / batch. Both 1s cancel, but rounding of 1 + gradient
# would lose the gradient's low digits. Scaling the entries down makes REINFORCE's gradient on them
# larger by the inverse factor, so that the 1s become negligible. Powers of two scale exactly;
# float16 cannot represent 2^-40.
GRADIENT_SCALE, GRADIENT_SCALE_FLOAT16 = 2.0**-40, 2.0**-10


def credit(log_probability=None, entropy=None, with_cost=None, without_cost=None):
    """Encode log-probabilities and entropies of samples as a loss that `reinforce` can decode.

    A layer that predicts its own baseline b_t for each sample s_t passes the last two arguments
    instead. The gradients of its policy and of its baseline's squared error are linear in the cost:

        with_cost    = sum_t (reward_weight * log p(s_t) + b_t)
        without_cost = sum_t (reward_weight * stop_gradient(b_t) * log p(s_t) + b_t^2 / 2)

    Pass the tensor to `add_loss` in a training call. Its sum and the gradient of its sum are
    exactly zero. A model that just adds the tensor to its loss, without `reinforce`, is therefore
    trained as if the tensor were not there.

    Args:
        log_probability: Log-probability of all samples of each example, `(batch,)`.
        entropy: Entropy of the distributions they were drawn from, `(batch,)`.
        with_cost: `(batch,)`. `reinforce` multiplies its gradient by each example's cost.
        without_cost: `(batch,)`. Its gradient is added as it is.

    Returns:
        Tensor `(batch, 1, 4, 2)`. Axis 2 holds the four arguments, zero where they are None. Axis 3
        holds x and -x, where x has the value 0 and the gradient of the argument times 2^-40 (2^-10
        in float16).
    """
    columns = [log_probability, entropy, with_cost, without_cost]
    zeros = ops.zeros_like(next(x for x in columns if x is not None))
    columns = [zeros if x is None else x for x in columns]
    # Keras sums losses in its floatx.
    gradients = ops.cast(ops.stack(columns, axis=-1), keras.config.floatx())
    gradients = ops.subtract(gradients, ops.stop_gradient(gradients))
    gradients = ops.multiply(_gradient_scale(gradients), gradients)
    return ops.expand_dims(ops.stack([gradients, -gradients], axis=-1), 1)


def _gradient_scale(gradients):
    is_float16 = keras.backend.standardize_dtype(gradients.dtype) == "float16"
    return GRADIENT_SCALE_FLOAT16 if is_float16 else GRADIENT_SCALE


def is_credit(loss):
    """Return whether a loss of a model is a tensor made by `credit`."""
    return len(loss.shape) == 4 and tuple(loss.shape[1:]) == CREDIT_SHAPE


def reinforce(
    losses: Sequence[Tensor],
    cost: Tensor,
    baseline: float | Tensor = 0.0,
    reward_weight: float = 0.1,
    entropy_weight: float = 0.002,
    is_counted: Tensor | None = None,
) -> Tensor:
    """Compute the REINFORCE term of a loss, for custom training loops.

    `ReinforceModel` adds it in `fit`. The term has the value 0 and the gradient of

        mean over examples of
            reward_weight * (cost + baseline) * log p(samples) - entropy_weight * entropy

    so that the reported loss remains the loss itself. Minimized together with the mean cost, it
    makes samples of low cost more probable. For layers with a baseline of their own, such as
    `RecurrentGlimpses`, it has the gradient of their REINFORCE term and of their baseline's squared
    error; `baseline` and the two weights do not apply to them.

    Args:
        losses: `layer.losses` or `model.losses` after a call with `training=True`. Only the
            tensors that sampling layers, such as `HardAttention(estimator="reinforce")`, added are
            used. In a custom eager loop, a layer that is called twice keeps only its last call's
            tensor.
        cost: Cost of each example, `(batch,)`: the negative reward. Its gradient is stopped.
        baseline: The expected reward, a number or scalar tensor that does not depend on the samples
            of this call; the closer it is, the smaller the variance of the gradient.
        reward_weight: lambda_r of Xu et al. With 1, the gradient of the mean cost plus this term
            is an unbiased estimate of the gradient of the expected mean cost.
        entropy_weight: lambda_e of Xu et al.
        is_counted: Bool `(batch,)`; False for examples without any gradient from this term. None
            counts all examples.

    Returns:
        A scalar tensor. Under `tf.distribute`, each replica has to divide it by the number of
        replicas, like the mean cost.

    Raises:
        ValueError: If a weight is negative, or `cost` is not one number for each example. The
            examples must be those of the sampling layers' inputs, in the same order: splitting or
            merging examples in between is not supported.

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
    if not hasattr(reward_weight, "dtype"):
        reward_weight = arguments.nonnegative_number("reward_weight", reward_weight)
    if not hasattr(entropy_weight, "dtype"):
        entropy_weight = arguments.nonnegative_number("entropy_weight", entropy_weight)
    credits = [loss for loss in losses if is_credit(loss)]
    if not credits:
        return ops.zeros((), "float32")
    sampled_batches = {tensor.shape[0] for tensor in credits} - {None}
    if len((sampled_batches | {cost.shape[0]}) - {None}) > 1:
        raise ValueError(
            "Expected `cost` to have the batch size of the samples. "
            f"Received: cost of shape {tuple(cost.shape)}, "
            f"samples for batches of {sorted(sampled_batches)}"
        )
    log_probability, entropy, with_cost, without_cost = (_sum_credits(credits, n) for n in range(4))
    cost = ops.stop_gradient(ops.cast(cost, log_probability.dtype))
    advantage = ops.stop_gradient(ops.cast(ops.add(cost, baseline), log_probability.dtype))
    weighted = ops.multiply(reward_weight, ops.multiply(advantage, log_probability))
    term = ops.subtract(weighted, ops.multiply(entropy_weight, entropy))
    term = ops.add(term, ops.add(ops.multiply(cost, with_cost), without_cost))
    return ops.mean(term if is_counted is None else ops.where(is_counted, term, 0.0))


def _sum_credits(credits: list[Tensor], index: int) -> Tensor:
    """Return the sum of an entry of all credits for each example, `(batch,)`."""
    return sum(
        ops.divide(at_least_float32(tensor[:, 0, index, 0]), _gradient_scale(tensor))
        for tensor in credits
    )
