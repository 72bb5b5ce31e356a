"""Hard attention: attention to one sampled key (Xu et al. 2015)."""

from typing import Literal

import keras

import keras_attention.score
from keras_attention import arguments
from keras_attention.kernels.attention import Implementation
from keras_attention.layers.query_value.base import QueryValueAttention
from keras_attention.layers.query_value.perturbation import KeySampling
from keras_attention.normalize import softmax
from keras_attention.score import Score
from keras_attention.types import Config

ESTIMATORS = ("reinforce", "straight_through", "gumbel")


@keras.saving.register_keras_serializable(package="keras_attention")
class HardAttention(QueryValueAttention):
    """Attends to a single sampled key, and still learns where to attend.

    score: any; mask: padding, causal; normalize: softmax, then a one-hot sample;
    read: weighted sum.

        alpha_i   = softmax_j(score(query_i, key_j))                      (Xu et al., eq. 4-5)
        s_i       ~ one-hot, key j with probability alpha_ij              (eq. 8)
        context_i = sum_j s_ij value_j                                    (eq. 9)

    A sample has no gradient. `estimator` selects what the scores learn from instead:

        "reinforce": the log-probability of the sample, which `keras_attention.ReinforceModel` (or
            a training loop with `keras_attention.reinforce`) rewards (eq. 11-12). In any other
            model the scores learn only from the examples that use the expectation.
        "straight_through": the forward pass uses the sample, the backward pass the gradient of the
            expectation (Bengio et al. 2013). Biased; works in any model.
        "gumbel": the relaxed sample softmax((log alpha + g) / temperature), with Gumbel noise g
            (Jang et al. 2017, Maddison et al. 2017). Biased; works in any model; the context is a
            mixture of values.

    Outside of training the layer is deterministic. Weights: those of the score.

    Args:
        score: "additive", "cosine", "dot", "general", "scaled_dot", or a
            `keras_attention.score.Score`.
        estimator: "reinforce", "straight_through" or "gumbel".
        expectation_rate: Probability, in [0, 1), with which an example in training uses the
            expectation `sum_j alpha_ij value_j` at all of its queries instead of samples. None
            means 0.5 with estimator="reinforce", as in the paper (section 4.1), and 0 otherwise.
        temperature: Temperature of "gumbel", a finite number above 0; None means 1. Only for
            estimator="gumbel".
        inference: The context outside of training: "mode", the value of the key with the largest
            weight (the first of equal weights), or "expectation", as in the paper.
        seed: Seed of the samples, an int or None. Keras saves the seed, but not the state of the
            generator: a seeded layer that is loaded from a `.keras` file repeats its samples.
        implementation: How additive scores are computed. "plain" computes the formula with its
            tensor of `(batch, Tq, Tk, units)`. "blockwise" gives the same numbers, to rounding,
            without that tensor. "auto" chooses the faster one for the sizes. "blockwise" is for
            additive scores only.

    Call arguments:
        As in `keras_attention.Attention`: one tensor, `[query, value]` or `[query, value, key]`,
        with `mask`, `attention_mask`, `return_attention_scores`, `use_causal_mask`, `training`.

    Returns:
        Context `(batch, Tq, Dv)`, and with `return_attention_scores` alpha `(batch, Tq, Tk)`, not
        the samples; `(batch, Dv)` and `(batch, Tk)` for a single query `(batch, Dq)`.

    Raises:
        ValueError: If an argument, a shape or a mask is not as described.

    Example:
    >>> states, pixels = np.ones((2, 3, 8), "float32"), np.ones((2, 49, 16), "float32")
    >>> layer = keras_attention.HardAttention(estimator="straight_through", seed=1)
    >>> context, weights = layer([states, pixels], return_attention_scores=True, training=True)
    >>> context.shape, weights.shape
    (TensorShape([2, 3, 16]), TensorShape([2, 3, 49]))

    Differs from the paper: the choice between sample and expectation is made for each example, as
    in the paper's text, not for each batch, as in its code; and the context is not multiplied by
    the paper's optional gate beta.

    Reference:
        Show, Attend and Tell: Neural Image Caption Generation with Visual Attention, Xu et al.
        (2015), section 4.1, https://arxiv.org/abs/1502.03044.
    """

    def __init__(
        self,
        score: Score | str | Config = "additive",
        estimator: Literal["reinforce", "straight_through", "gumbel"] = "reinforce",
        expectation_rate: float | None = None,
        temperature: float | None = None,
        inference: Literal["mode", "expectation"] = "mode",
        seed: int | None = None,
        implementation: Implementation = "auto",
        **kwargs,
    ):
        if kwargs.get("dropout"):
            raise ValueError(
                "Expected no `dropout`: the layer attends to one key, which cannot be dropped. "
                f"Received: dropout={kwargs['dropout']!r}"
            )
        super().__init__(
            score=keras_attention.score.get(score, kwargs.get("dtype")),
            normalize=softmax,
            seed=seed,
            implementation=implementation,
            **kwargs,
        )
        if implementation == "blockwise" and self.score.kernel_family != "additive":
            raise ValueError(
                "Expected implementation='auto' or 'plain' unless the score is additive. "
                f"Received: score={score!r}, implementation='blockwise'"
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
        self.seed_generator = keras.random.SeedGenerator(self.seed)
        self.perturbation = KeySampling(self)

    def get_config(self) -> Config:
        config = super().get_config()
        del config["dropout"]  # not an argument of this layer
        return {
            **config,
            "score": keras.saving.serialize_keras_object(self.score),
            "estimator": self.estimator,
            "expectation_rate": self.expectation_rate,
            "temperature": self.temperature,
            "inference": self.inference,
        }
