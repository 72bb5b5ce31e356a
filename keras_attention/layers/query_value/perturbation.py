"""Random perturbations of the attention weights in training: dropout, and sampling of one key.

A perturbation is an object with three functions, so that a loop over time can draw all random
numbers before its first step: `sample` draws the noise for all queries, calling the object applies
the noise to weights, and `loss` returns the loss by which sampled choices are trained.
"""

from typing import Any, Literal

import keras
from keras import ops

from keras_attention.kernels.dropout import apply_dropout, row_seeds
from keras_attention.layers.reinforce.reinforce import credit
from keras_attention.normalize import hardmax, sample
from keras_attention.types import Nest, Tensor


class Perturbation:
    """Abstract base class: a random change of the weights before they multiply the values.

    Attributes:
        kernel_family: "dropout" if the kernels for seeded dropout compute the same numbers, else
            None. It becomes None in a subclass that defines `__call__` but not `kernel_family`.
        has_loss: Whether `loss` has to be called, with all weights, once per training call.
    """

    kernel_family: Literal["dropout"] | None = None
    has_loss: bool = False

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        if "__call__" in vars(cls) and "kernel_family" not in vars(cls):
            cls.kernel_family = None

    def sample(self, query: Tensor, memory) -> Nest:
        """Draw the noise of all queries in training, outside of any loop over time.

        Args:
            query: `(batch, Tq, D)` or `(batch, D)`; only its shape is used.
            memory: The `PreparedMemory` that the queries attend to.

        Returns:
            Nest of tensors `(batch, Tq, n)`, or `(batch, n)`; or None.
        """
        raise NotImplementedError

    def __call__(self, weights: Tensor, noise: Nest = None) -> Tensor:
        """Return the perturbed weights `(batch, ..., Tq, Tk)`, which multiply the values.

        Args:
            weights: The weights that the normalizer returned.
            noise: The noise that `sample` returned for these queries; None outside of training.
        """
        raise NotImplementedError

    def loss(self, weights: Tensor, noise: Nest, mask: Tensor | None = None) -> Tensor | None:
        """Return the tensor that the layer adds to its losses in a training call.

        Args:
            weights: All weights of the call, `(batch, Tq, Tk)`, or `(batch, Tk)`.
            noise: The noise that `sample` returned.
            mask: Bool `(batch, Tq)`, or `(batch,)`, True = a real query; or None.
        """
        return None


class SeededDropout(Perturbation):
    """Dropout of weights, determined by one sampled seed per query.

    A kernel that knows the seeds can recompute which weights of a block are dropped.

    Args:
        layer: The layer, whose `dropout` and `seed_generator` are read at every call, so that a
            change of the attribute takes effect.
        heads: Number of heads, each with seeds of its own; None = weights without an axis of heads.
        marks_training: Whether there are seeds, of zero, at a rate of 0 too. The noise of a step is
            then None in inference only, for layers whose steps differ in training.
    """

    kernel_family = "dropout"

    def __init__(self, layer: Any, heads: int | None = None, marks_training: bool = False):
        self.layer = layer
        self.heads = heads
        self.marks_training = marks_training

    @property
    def rate(self) -> float:
        """Fraction of the weights to drop, in [0, 1)."""
        return self.layer.dropout

    def sample(self, query: Tensor, memory) -> Tensor | None:
        """Draw a seed for each query and head: int32 `(batch, Tq, heads or 1)`."""
        shape = (*ops.shape(query)[:-1], self.heads or 1)
        if self.rate:
            return row_seeds(shape, self.layer.seed_generator)
        return ops.zeros(shape, "int32") if self.marks_training else None

    def __call__(self, weights: Tensor, noise: Tensor | None = None) -> Tensor:
        if noise is None:
            return weights
        return apply_dropout(weights, self.row_seeds(noise), self.rate)

    def row_seeds(self, noise: Tensor) -> Tensor:
        """Return the noise as one seed for each row of weights, `(batch, ..., Tq)`."""
        return noise[..., 0] if self.heads is None else ops.swapaxes(noise, -1, -2)


class KeySampling(Perturbation):
    """Attention to one sampled key, with an estimator of the gradient (Xu et al. 2015).

    Args:
        layer: A `HardAttention`, whose `estimator`, `expectation_rate`, `temperature`, `inference`
            and `seed_generator` are read at every call: a temperature can be annealed.
    """

    def __init__(self, layer: Any):
        self.layer = layer

    @property
    def has_loss(self) -> bool:
        return self.layer.estimator == "reinforce"

    @property
    def expectation_rate(self) -> float:
        """Probability with which an example keeps its weights in training."""
        if self.layer.expectation_rate is None:
            return 0.5 if self.has_loss else 0.0
        return self.layer.expectation_rate

    def sample(self, query: Tensor, memory) -> tuple[Tensor, Tensor | None]:
        """Draw Gumbel noise for the sample, and choose the examples that keep their weights.

        Args:
            query: `(batch, Tq, D)`, or `(batch, D)` for a single query.
            memory: A `PreparedMemory`.

        Returns:
            Noise `(batch, Tq, Tk)`; and bool `(batch, Tq, 1)`, True = the example keeps its
            weights instead of a sample, or None if the expectation rate is 0.
        """
        batch, *queries = ops.shape(query)[:-1]
        shape = (batch, *queries, ops.shape(memory.values)[-2])
        noise = sample.gumbel(shape, self.layer.seed_generator)
        if not self.expectation_rate:
            return noise, None
        coin = keras.random.uniform((batch, *[1] * len(queries), 1), seed=self.layer.seed_generator)
        keeps_weights = ops.broadcast_to(coin < self.expectation_rate, (batch, *queries, 1))
        return noise, keeps_weights

    def __call__(
        self, weights: Tensor, noise: tuple[Tensor, Tensor | None] | None = None
    ) -> Tensor:
        if noise is None:
            is_expectation = self.layer.inference == "expectation"
            return weights if is_expectation else hardmax(weights, mask=weights > 0)
        gumbel, keeps_weights = noise
        if self.layer.estimator == "gumbel":
            sampled = sample.sample_relaxed(weights, gumbel, self.layer.temperature or 1.0)
        else:
            sampled = sample.sample(weights, gumbel)
        if self.layer.estimator == "straight_through":
            sampled = sampled + (weights - ops.stop_gradient(weights))
        return sampled if keeps_weights is None else ops.where(keeps_weights, weights, sampled)

    def loss(
        self,
        weights: Tensor,
        noise: tuple[Tensor, Tensor | None],
        mask: Tensor | None = None,
    ) -> Tensor | None:
        """Return the log-probabilities and entropies of the samples, as REINFORCE needs them."""
        if not self.has_loss:
            return None
        gumbel, keeps_weights = noise
        is_real = ops.any(weights > 0, axis=-1)
        if mask is not None:
            is_real = ops.logical_and(is_real, mask)
        is_sampled = is_real
        if keeps_weights is not None:
            is_sampled = ops.logical_and(is_real, ops.logical_not(keeps_weights[..., 0]))
        samples = sample.sample(weights, gumbel)
        steps = ops.maximum(_sum_queries(ops.ones_like(weights[..., 0]), is_real), 1)
        return credit(
            _sum_queries(sample.log_probability(weights, samples), is_sampled),
            _sum_queries(sample.entropy(weights), is_real) / steps,
        )


def _sum_queries(x, is_real):
    """Sum `x` over the real queries of each example: `(batch,)`."""
    return ops.sum(ops.where(is_real, x, ops.zeros_like(x)), axis=tuple(range(1, len(x.shape))))
