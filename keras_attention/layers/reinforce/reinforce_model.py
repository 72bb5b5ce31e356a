"""The model whose samples are rewarded by its own loss (Xu et al. 2015, section 4.1)."""

import numbers

import keras
from keras import ops, tree

from keras_attention import arguments
from keras_attention.layers.reinforce.example_costs import ExampleCosts, replica_count
from keras_attention.layers.reinforce.reinforce import is_credit, reinforce


@keras.saving.register_keras_serializable(package="keras_attention")
class ReinforceModel(keras.Model):
    """A functional `keras.Model` that trains layers which sample by REINFORCE.

    Any number of `HardAttention(estimator="reinforce")`, alone or in an `AttentionDecoder`, are
    credited in plain `compile` and `fit`. With cost_i the share of example i in the compiled loss
    (their mean is the loss), r_i = -cost_i and b the baseline, the gradient is that of

        mean_i( cost_i - reward_weight * (r_i - b) * log p(s_i | alpha) - entropy_weight * H_i )

    where r_i - b is held constant (Xu et al., eq. 11-12). log p(s_i | alpha) sums over all samples
    of the example: all layers, all steps that are not masked, nothing for a layer whose coin chose
    the expectation. H_i sums the layers' entropies, each a mean over its steps as Keras's losses
    are. b starts unknown (0) and follows the mean reward of the batches before this one,

        b = decay * b + (1 - decay) * mean_i(r_i),

    divided by 1 - decay^batches, so that the first batches' zeros do not count.

    The reported `loss` is the compiled loss plus regularization as in any model: REINFORCE adds a
    gradient, not a cost. `evaluate` and `predict` sample nothing. The model computes, saves and
    exports as `keras.Model` does. Under `tf.distribute` each replica has a baseline of its own, and
    saves the first's. With reward_weight=1, entropy_weight=0 and no coin the gradient
    is an unbiased estimate of that of the expected loss; with a coin of rate m, of

        (1 - m) E_s[loss(s)] + m loss(alpha)

    (each layer and example having a coin of its own).

    Weights: those of the layers, and of what `baseline` is computed from, two numbers.

    Args:
        inputs: As in `keras.Model`.
        outputs: As in `keras.Model`: a tensor, or a list or dict of them.
        reward_weight: lambda_r, at least 0. The paper's code has 0.1.
        entropy_weight: lambda_e, at least 0. The paper's code has 0.002.
        baseline_decay: How much of the baseline each batch keeps, in [0, 1).
        name: The model's name.

    The compiled loss: any Keras loss, name of one, or function that gives a number for each
    example at least (not a scalar), with a reduction; with several outputs one for all or a list
    or dict, and `loss_weights` likewise. Its reduction, `sample_weight`, `class_weight` and
    outputs' masks count as in Keras; an example of weight 0 is not credited. What layers `add_loss`
    themselves, and regularization, is minimized but rewards nothing. "crossentropy" and "ce" are
    refused: say which. Every layer that samples sees the batch's own examples, in their order.

    `keras.models.clone_model` gives the copy `reward_weight`, `entropy_weight` and
    `baseline_decay` as they are by default, since Keras does not ask for them there.

    Raises:
        ValueError: If an argument is not one of these, or, by `compile`, if there is no such loss.

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

    Differs from the paper: the baseline's first batches are corrected as Adam's averages are; the
    coin is each example's; one sample an example (repeat an example for more).

    Reference:
        Show, Attend and Tell: Neural Image Caption Generation with Visual Attention, Xu et al.
        (2015), section 4.1, https://arxiv.org/abs/1502.03044; Williams (1992).
    """

    # *args and **kwargs make a functional model of it that can be saved.
    def __init__(
        self, *args, reward_weight=0.1, entropy_weight=0.002, baseline_decay=0.9, **kwargs
    ):
        if not args and not {"inputs", "outputs"} <= set(kwargs):
            raise ValueError(
                "Expected `inputs` and `outputs`, as in a functional keras.Model. "
                f"Received: {sorted(kwargs)}"
            )
        super().__init__(*args, **kwargs)
        self.reward_weight = _weight("reward_weight", reward_weight)
        self.entropy_weight = _weight("entropy_weight", entropy_weight)
        self.baseline_decay = arguments.rate("baseline_decay", baseline_decay)
        self.rewards = self.add_weight(
            name="rewards",
            shape=(2,),
            initializer="zeros",
            dtype="float32",
            trainable=False,
            autocast=False,
        )

    @property
    def baseline(self):
        """b: the average reward of the batches trained on, newer ones counting more; at first 0."""
        return ops.divide_no_nan(self.rewards[0], self.rewards[1])

    def compile(self, optimizer="rmsprop", loss=None, loss_weights=None, *args, **kwargs):
        self.example_costs = ExampleCosts(loss, loss_weights, self.output, self.output_names)
        super().compile(optimizer, loss, loss_weights, *args, **kwargs)

    def compile_from_config(self, config):
        # Keras leaves this to a model with a `compile` of its own.
        self.compile(**keras.saving.deserialize_keras_object(config))
        self.optimizer.build(self.trainable_variables)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        loss = super().compute_loss(x, y, y_pred, sample_weight, training)
        if not any(map(is_credit, self.losses)):  # nothing was sampled, as in evaluation
            return loss
        cost = ops.stop_gradient(self.example_costs(y, y_pred, sample_weight))
        weighs = _weighs(sample_weight, cost)
        credited = reinforce(
            self.losses,
            cost,
            ops.where(weighs, self.baseline, 0.0),
            self.reward_weight,
            self.entropy_weight,
        )
        self._follow(cost, ops.logical_and(weighs, ops.isfinite(cost)))
        return ops.add(loss, ops.divide(credited, replica_count()))

    def _follow(self, cost, counts):
        """Lets the baseline follow the mean reward of the examples that count, if any do."""
        reward = ops.sum(ops.where(counts, -cost, 0.0))
        examples = ops.sum(ops.cast(counts, cost.dtype))
        news = ops.stack([ops.divide_no_nan(reward, examples), ops.minimum(examples, 1.0)])
        kept = ops.multiply(self.rewards, self.baseline_decay)
        added = ops.multiply(ops.cast(news, self.rewards.dtype), 1 - self.baseline_decay)
        self.rewards.assign(ops.add(kept, added))

    def get_config(self):
        return {
            **super().get_config(),
            "reward_weight": self.reward_weight,
            "entropy_weight": self.entropy_weight,
            "baseline_decay": self.baseline_decay,
        }


def _weighs(sample_weight, cost):
    """Which examples have a weight that is not zero, in any output: bool `(batch,)`."""
    weights = [None] if sample_weight is None else tree.flatten(sample_weight)
    if any(weight is None for weight in weights):
        return ops.ones_like(cost, dtype="bool")
    found = False
    for weight in weights:
        weight = ops.not_equal(weight, 0)
        found = ops.logical_or(found, ops.any(weight, axis=tuple(range(1, len(weight.shape)))))
    return found


def _weight(name, value):
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not is_number or not 0 <= value < float("inf"):
        raise ValueError(
            f"Expected `{name}` to be a number of at least 0. Received: {name}={value!r}"
        )
    return float(value)
