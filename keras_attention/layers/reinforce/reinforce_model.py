"""A model that trains sampling layers by REINFORCE in `fit` (Xu et al. 2015, section 4.1).

The negative compiled loss of an example is the reward of its samples. docs/reinforce.md explains
how the parts work together.
"""

from collections.abc import Callable
from typing import Any, Literal

import keras
from keras import ops, tree

from keras_attention import arguments
from keras_attention.layers.reinforce.example_costs import ExampleCosts, replica_count
from keras_attention.layers.reinforce.reinforce import is_credit, reinforce
from keras_attention.layers.reinforce.reward import compute_cost, get_reward, serialize_reward
from keras_attention.types import Config, Nest, Tensor


@keras.saving.register_keras_serializable(package="keras_attention")
class ReinforceModel(keras.Model):
    """A functional `keras.Model` that trains sampling layers by REINFORCE.

    It supports any number of `HardAttention(estimator="reinforce")` layers, alone or in an
    `AttentionDecoder`, and of `RecurrentGlimpses`, with plain `compile` and `fit`. With cost_i the
    cost of example i in the compiled loss (their mean is the loss), r_i = -cost_i its reward and b
    the baseline, the model follows the gradient of

        mean_i( cost_i - reward_weight * (r_i - b) * log p(s_i | alpha) - entropy_weight * H_i )

    where r_i - b is held constant (Xu et al., eq. 11-12). log p(s_i | alpha) is summed over all
    samples of the example: over all layers and all steps that are not masked, except where a layer
    used the expectation instead of a sample. H_i is the sum of the layers' entropies, each averaged
    over its steps. b starts at 0 and is a moving average of the mean rewards of earlier batches,

        b = decay * b + (1 - decay) * mean_i(r_i),

    divided by 1 - decay^batches to correct for the start at 0.

    The reported `loss` is the compiled loss plus regularization as in any model, because the
    REINFORCE term has the value 0; it contributes a gradient only. `evaluate` and `predict` do not
    sample. The model is called, saved and exported as any `keras.Model`. Under `tf.distribute` each
    replica has its own baseline, and that of the first is saved. With reward_weight=1,
    entropy_weight=0 and no `expectation_rate`, the model's gradient is an unbiased estimate of the
    gradient of the expected loss. With an `expectation_rate` of m, it estimates the gradient of

        (1 - m) E_s[loss(s)] + m loss(alpha)

    where each layer chooses independently for each example. docs/reinforce.md in the source
    repository explains step by step how the log-probabilities reach the loss.

    Weights: those of the layers, and two numbers from which `baseline` is computed.

    Args:
        inputs: As in `keras.Model`.
        outputs: As in `keras.Model`: a tensor, or a list or dict of them.
        reward_weight: lambda_r, at least 0; 0.1 in the paper's code.
        entropy_weight: lambda_e, at least 0; 0.002 in the paper's code.
        baseline_decay: Decay of the moving average of rewards, in [0, 1).
        reward: The reward of an example. None = minus its compiled loss. "accuracy" = 1 if the
            largest output is that of the target class (integer targets `(batch,)`, or one-hot
            targets), otherwise 0. Or a function `(y, y_pred)` of targets and outputs that returns
            the rewards `(batch,)`, registered for saving. Examples with weight 0 are not rewarded;
            other sample weights do not change a reward that you pass.
        name: The model's name.

    The compiled loss: any Keras loss, the name of one, or a function that returns at least one
    number for each example (not a scalar), with a reduction. With several outputs, `loss` and
    `loss_weights` may be one for all outputs, or a list or dict with one for each. The loss's
    reduction, `sample_weight`, `class_weight` and the masks of the outputs are applied as in Keras;
    the samples of examples with weight 0 are not rewarded. Losses that layers add by `add_loss`,
    and regularization, are minimized but are not part of the reward. "crossentropy" and "ce" are
    rejected, because they do not name one loss. Every sampling layer must be called on the examples
    of the batch, in their order.

    `keras.models.clone_model` sets `reward_weight`, `entropy_weight`, `baseline_decay` and `reward`
    of the copy to their defaults, because Keras does not pass them on.

    Raises:
        ValueError: If an argument is invalid, or, from `compile`, if the loss is not as described.

    Example:
    >>> query, value = keras.Input((3, 8)), keras.Input((None, 8))
    >>> context = keras_attention.HardAttention("dot", seed=1)([query, value])
    >>> outputs = keras.layers.Dense(1)(context)
    >>> model = keras_attention.ReinforceModel([query, value], outputs)
    >>> model.compile("adam", "mse", jit_compile=True)
    >>> x = [np.ones((4, 3, 8), "float32"), np.ones((4, 7, 8), "float32")]
    >>> history = model.fit(x, np.zeros((4, 3, 1)), verbose=0)
    >>> float(model.baseline) < 0
    True

    Differs from the paper: the baseline has a bias correction like Adam's averages; the choice
    between sample and expectation is made for each example, not for each batch; there is one sample
    for each example (repeat an example for more).

    Reference:
        Show, Attend and Tell: Neural Image Caption Generation with Visual Attention, Xu et al.
        (2015), section 4.1, https://arxiv.org/abs/1502.03044; Williams (1992).
    """

    # Keras saves a subclass as a functional model only if it passes on *args and **kwargs.
    def __init__(
        self,
        *args: Any,
        reward_weight: float = 0.1,
        entropy_weight: float = 0.002,
        baseline_decay: float = 0.9,
        reward: Literal["accuracy"] | Callable | Config | None = None,
        **kwargs: Any,
    ) -> None:
        if not args and not {"inputs", "outputs"} <= set(kwargs):
            raise ValueError(
                "Expected `inputs` and `outputs`, as in a functional keras.Model. "
                f"Received: {sorted(kwargs)}"
            )
        super().__init__(*args, **kwargs)
        self.reward_weight = arguments.nonnegative_number("reward_weight", reward_weight)
        self.entropy_weight = arguments.nonnegative_number("entropy_weight", entropy_weight)
        self.baseline_decay = arguments.rate("baseline_decay", baseline_decay)
        self.reward = get_reward(reward)
        # The decayed sum of mean rewards and the decayed count of batches.
        self.rewards = self.add_weight(
            name="rewards",
            shape=(2,),
            initializer="zeros",
            dtype="float32",
            trainable=False,
            autocast=False,
        )

    @property
    def baseline(self) -> Tensor:
        """The baseline b: the moving average of the mean rewards in training, 0 at the start."""
        return ops.divide_no_nan(self.rewards[0], self.rewards[1])

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        loss_weights: Any = None,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        if self.reward is None:
            self.example_costs = ExampleCosts(loss, loss_weights, self.output, self.output_names)
        super().compile(optimizer, loss, loss_weights, *args, **kwargs)

    def compile_from_config(self, config: Config) -> None:
        # Keras does not restore the compilation of models that override `compile`.
        self.compile(**keras.saving.deserialize_keras_object(config))
        self.optimizer.build(self.trainable_variables)

    def compute_loss(
        self,
        x: Nest | None = None,
        y: Nest | None = None,
        y_pred: Nest | None = None,
        sample_weight: Nest | None = None,
        training: bool = True,
    ) -> Tensor:
        loss = super().compute_loss(x, y, y_pred, sample_weight, training)
        if not any(map(is_credit, self.losses)):  # nothing was sampled, as in evaluation
            return loss
        if self.reward is None:
            cost = ops.stop_gradient(self.example_costs(y, y_pred, sample_weight))
        else:
            cost = compute_cost(self.reward, y, y_pred)
        has_weight = _has_weight(sample_weight, cost)
        cost = ops.where(has_weight, cost, 0.0)
        term = reinforce(
            self.losses,
            cost,
            ops.where(has_weight, self.baseline, 0.0),
            self.reward_weight,
            self.entropy_weight,
            has_weight,
        )
        self._update_baseline(cost, ops.logical_and(has_weight, ops.isfinite(cost)))
        return ops.add(loss, ops.divide(term, replica_count()))

    def _update_baseline(self, cost, is_counted):
        """Update the moving average with the mean reward of the counted examples, if any."""
        reward = ops.sum(ops.where(is_counted, -cost, 0.0))
        examples = ops.sum(ops.cast(is_counted, cost.dtype))
        batch = ops.stack([ops.divide_no_nan(reward, examples), ops.minimum(examples, 1.0)])
        decayed = ops.multiply(self.rewards, self.baseline_decay)
        added = ops.multiply(ops.cast(batch, self.rewards.dtype), 1 - self.baseline_decay)
        self.rewards.assign(ops.add(decayed, added))

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "reward_weight": self.reward_weight,
            "entropy_weight": self.entropy_weight,
            "baseline_decay": self.baseline_decay,
            "reward": serialize_reward(self.reward),
        }


def _has_weight(sample_weight, cost):
    """Return for each example whether it has a nonzero weight in any output: bool `(batch,)`."""
    weights = [None] if sample_weight is None else tree.flatten(sample_weight)
    if any(weight is None for weight in weights):
        return ops.ones_like(cost, dtype="bool")
    has_weight = False
    for weight in weights:
        is_nonzero = ops.not_equal(weight, 0)
        axes = tuple(range(1, len(is_nonzero.shape)))
        has_weight = ops.logical_or(has_weight, ops.any(is_nonzero, axis=axes))
    return has_weight
