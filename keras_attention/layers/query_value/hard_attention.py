"""Hard attention: a look at one key (Xu et al. 2015)."""

import keras
from keras import ops

import keras_attention.score
from keras_attention import arguments
from keras_attention.layers.query_value.base import QueryValueAttention
from keras_attention.layers.reinforce.reinforce import credit
from keras_attention.normalize import hardmax, sample, softmax
from keras_attention.read import weighted_sum

ESTIMATORS = ("reinforce", "straight_through", "gumbel")


@keras.saving.register_keras_serializable(package="keras_attention")
class HardAttention(QueryValueAttention):
    """Looks at one key, drawn by its weight, and learns where to look all the same.

    score: any; mask: padding, causal; normalize: softmax, then a one-hot sample;
    read: weighted sum.

        alpha_i   = softmax_j(score(query_i, key_j))                      (Xu et al., eq. 4-5)
        s_i       ~ one-hot, key j with probability alpha_ij              (eq. 8)
        context_i = sum_j s_ij value_j                                    (eq. 9)

    A sample has no gradient. What stands in for it is the estimator:

        "reinforce": the log-probability of what was drawn, for `keras_attention.ReinforceModel`
            (or a training loop with `keras_attention.reinforce`) to reward (eq. 11-12). In any
            other model the scores learn from the examples that read the expectation alone.
        "straight_through": forward the sample, backward as if the weights had been read
            (Bengio et al. 2013). Biased, in any model.
        "gumbel": reads the relaxed sample softmax((log alpha + g) / temperature), g Gumbel noise
            (Jang et al. 2017, Maddison et al. 2017). Biased, in any model; a mixture of values.

    Outside of training nothing is random. Weights: those of the score.

    Args:
        score: "additive", "cosine", "dot", "general", "scaled_dot", or a
            `keras_attention.score.Score`.
        estimator: "reinforce", "straight_through" or "gumbel".
        expectation_rate: Probability, in [0, 1), with which an example in training reads the
            expectation `sum_j alpha_ij value_j` at all of its queries in the sample's place. None
            is 0.5 with estimator="reinforce", as in the paper (section 4.1), and else 0.
        temperature: Of "gumbel", a finite number above 0; None is 1, and any other estimator's.
        inference: What is read outside of training: "mode", the key with the largest weight (the
            first of equals), or "expectation", as in the paper.
        seed: Seed of the draws, an int or None. Keras saves the seed, not how far the draws have
            come: a layer with one, loaded from a `.keras` file, draws the same once more.

    Call arguments:
        As in `keras_attention.Attention`: one tensor, `[query, value]` or `[query, value, key]`,
        with `mask`, `attention_mask`, `return_attention_scores`, `use_causal_mask`, `training`.

    Returns:
        Context `(batch, Tq, Dv)`, and with `return_attention_scores` alpha `(batch, Tq, Tk)`, not
        what was drawn; `(batch, Dv)` and `(batch, Tk)` for a single query `(batch, Dq)`.

    Raises:
        ValueError: If an argument, a shape or a mask is not one of these.

    Example:
    >>> states, pixels = np.ones((2, 3, 8), "float32"), np.ones((2, 49, 16), "float32")
    >>> layer = keras_attention.HardAttention(estimator="straight_through", seed=1)
    >>> context, weights = layer([states, pixels], return_attention_scores=True, training=True)
    >>> context.shape, weights.shape
    (TensorShape([2, 3, 16]), TensorShape([2, 3, 49]))

    Differs from the paper: the coin for the expectation is thrown for each example, as its text
    says, not for each batch as its code does; and there the context may be gated by beta.

    Reference:
        Show, Attend and Tell: Neural Image Caption Generation with Visual Attention, Xu et al.
        (2015), section 4.1, https://arxiv.org/abs/1502.03044.
    """

    def __init__(
        self,
        score="additive",
        estimator="reinforce",
        expectation_rate=None,
        temperature=None,
        inference="mode",
        seed=None,
        **kwargs,
    ):
        if kwargs.get("dropout"):
            raise ValueError(
                "Expected no `dropout`: one key is read, and none could be dropped. "
                f"Received: dropout={kwargs['dropout']!r}"
            )
        super().__init__(
            score=keras_attention.score.get(score, kwargs.get("dtype")),
            normalize=softmax,
            seed=seed,
            **kwargs,
        )
        self.estimator = arguments.one_of("estimator", estimator, ESTIMATORS)
        self.expectation_rate = expectation_rate
        if expectation_rate is not None:
            self.expectation_rate = arguments.rate("expectation_rate", expectation_rate)
        if temperature is not None and estimator != "gumbel":
            raise ValueError(
                "Expected `temperature` with estimator='gumbel' only. Received: "
                f"estimator={estimator!r}, temperature={temperature!r}"
            )
        self.temperature = arguments.positive_number("temperature", temperature, optional=True)
        self.inference = arguments.one_of("inference", inference, ("mode", "expectation"))
        self.seed_generator = keras.random.SeedGenerator(seed)

    def sample_noise(self, query, memory):
        """Gumbel noise `(batch, Tq, Tk)` and whether to read the expectation, `(batch, Tq, 1)`.

        The second is bool, one coin an example, or None where no coin is thrown.
        """
        batch, *queries = ops.shape(query)[:-1]
        noise = sample.gumbel((batch, *queries, ops.shape(memory.keys)[-2]), self.seed_generator)
        rate = self.expectation_rate
        if rate is None:
            rate = 0.5 if self.estimator == "reinforce" else 0.0
        if not rate:
            return noise, None
        coin = keras.random.uniform((batch, *[1] * len(queries), 1), seed=self.seed_generator)
        return noise, ops.broadcast_to(coin < rate, (batch, *queries, 1))

    def read(self, weights, memory, noise=None):
        return weighted_sum(self._looks(weights, noise), memory.values)

    def add_sampling_loss(self, weights, noise, mask=None):
        if self.estimator != "reinforce":
            return
        noise, expected = noise
        real = ops.any(weights > 0, axis=-1)
        if mask is not None:
            real = ops.logical_and(real, mask)
        drawn = real
        if expected is not None:
            drawn = ops.logical_and(real, ops.logical_not(expected[..., 0]))
        chosen = sample.sample(weights, noise)
        steps = ops.maximum(_total(ops.ones_like(weights[..., 0]), real), 1)
        self.add_loss(
            credit(
                _total(sample.log_probability(weights, chosen), drawn),
                _total(sample.entropy(weights), real) / steps,
            )
        )

    def _looks(self, weights, noise):
        """How much is read of each value, `(batch, Tq, Tk)`."""
        if noise is None:
            is_soft = self.inference == "expectation"
            return weights if is_soft else hardmax(weights, mask=weights > 0)
        noise, expected = noise
        if self.estimator == "gumbel":
            looks = sample.sample_relaxed(weights, noise, self.temperature or 1.0)
        else:
            looks = sample.sample(weights, noise)
        if self.estimator == "straight_through":
            looks = looks + (weights - ops.stop_gradient(weights))
        return looks if expected is None else ops.where(expected, weights, looks)

    def get_config(self):
        config = super().get_config()
        del config["dropout"]  # no weights are read that could be dropped
        return {
            **config,
            "score": keras.saving.serialize_keras_object(self.score),
            "estimator": self.estimator,
            "expectation_rate": self.expectation_rate,
            "temperature": self.temperature,
            "inference": self.inference,
        }


def _total(x, real):
    """Sum over an example's queries, of those that are real: `(batch,)`."""
    return ops.sum(ops.where(real, x, ops.zeros_like(x)), axis=tuple(range(1, len(x.shape))))
