"""Monotonic and monotonic chunkwise attention (Raffel et al. 2017, Chiu and Raffel 2018)."""

import math
from typing import Any, Literal

import keras
from keras import ops

from keras_attention import arguments
from keras_attention.kernels.attention import compare
from keras_attention.kernels.prepared_memory import PreparedMemory
from keras_attention.layers.call_arguments.shapes import split_shapes
from keras_attention.layers.query_value.perturbation import Perturbation
from keras_attention.layers.query_value.sequential_attention import SequentialAttention
from keras_attention.layers.query_value.start_weights import first_key_weights
from keras_attention.mask.structured_mask import as_structured_mask
from keras_attention.normalize import chunkwise, monotonic, monotonic_hard, softmax
from keras_attention.precision import score_dtype, to_score_precision
from keras_attention.read import weighted_sum
from keras_attention.score import AdditiveScore, GeneralScore
from keras_attention.tensors import check_not_symbolic
from keras_attention.types import Config, Initializer, Nest, Regularizer, Tensor


@keras.saving.register_keras_serializable(package="keras_attention")
class MonotonicAttention(SequentialAttention):
    """Monotonic attention: the attended key moves forward, or stays, from query to query.

    score: additive or general, plus a bias; mask: padding, causal; normalize: monotonic, or chunks
    of it; read: weighted sum.

    From the key of the previous query on, the keys are inspected in order. Key j is chosen with
    probability p, otherwise the next one is inspected:

        energy[i, j]  = score(query_i, key_j) + energy_bias                         (equation 11)
        p[i, j]       = sigmoid(energy[i, j])                                       (equation 12)
        q[i, j]       = (1 - p[i, j - 1]) q[i, j - 1] + weights[i - 1, j]           (equation 13)
        weights[i, j] = p[i, j] q[i, j]                                             (equation 14)

    Training uses these expected weights. Inference chooses the first key of positive energy and
    nothing else; keys after the chosen one have no effect. With `chunk` > 1 (MoChA), each query
    attends by softmax, with a second additive score that is not normalized, or a second general
    one, to the `chunk` keys up to and including the chosen one; masked keys count.

    The queries are evaluated in order, as the steps of a loop. In an `AttentionDecoder`, the
    weights are part of its state. If the hard choice finds no key, the context is zero, and the
    next query starts from the same key as this one. The expectation loses the probability that no
    key is chosen. A loop of your own over `AttentionDecoder.step` has to pass the noise in
    training: without it a step chooses as in inference, and the layer gets no gradient.

    Weights, in this order: `energy_bias` (), those of the score (see `AdditiveScore`, which has a
    bias here, and `GeneralScore`), and with `chunk` > 1 those of the second score.

    Args:
        score: "additive" or "general".
        units: Width of the additive score's hidden layer; None takes the query's width. Only for
            score="additive".
        normalized: Whether the additive score is normalized to a learned length (the paper's
            modified energy function, section 2.4). Only for score="additive".
        bias: Initial value of `energy_bias`. A negative one keeps the first keys from being chosen
            before the scores are trained; about -log(number of keys per query) suits.
        noise: Standard deviation of the normal noise that is added to the energies in training, so
            that they become large, and the choice in inference agrees with the expectation in
            training; a number of at least 0.
        chunk: Number of keys of a chunk, an int of at least 1; with 1 only the chosen key is read.
        inference: "hard" chooses one key, "soft" uses the expected weights.
        seed: Seed of the noise, an int or None.
        kernel_initializer: Initializer of the score's kernels.
        kernel_regularizer: Regularizer of the score's kernels.

    Call arguments:
        As in `keras_attention.Attention`; inputs of rank 3, or a single query `(batch, Dq)`.

    Returns:
        Context `(batch, Tq, Dv)`, and with `return_attention_scores` the weights
        `(batch, Tq, Tk)` with which the values were read; both without `Tq` for a single query. A
        row of weights sums to at most 1.

    Raises:
        ValueError: If an argument, a shape or a mask is not as described.

    Example:
    >>> layer = keras_attention.MonotonicAttention(units=4, bias=1.0)
    >>> query, value = np.ones((1, 3, 5), "float32"), np.ones((1, 6, 2), "float32")
    >>> context, weights = layer([query, value], return_attention_scores=True)
    >>> context.shape, weights.shape
    (TensorShape([1, 3, 2]), TensorShape([1, 3, 6]))

    If the number of keys is known only at run time, it may be at most 65,536.

    Differs from the papers: if no key is chosen in inference, the position is kept, so that a later
    query can choose one.

    Reference:
        Online and Linear-Time Attention by Enforcing Monotonic Alignments, Raffel, Luong, Liu,
        Weiss, Eck (2017), https://arxiv.org/abs/1704.00784; chunks: Monotonic Chunkwise
        Attention, Chiu, Raffel (2018), https://arxiv.org/abs/1712.05382.
    """

    def __init__(
        self,
        score: Literal["additive", "general"] = "additive",
        units: int | None = None,
        normalized: bool = True,
        bias: float = -4.0,
        noise: float = 1.0,
        chunk: int = 1,
        inference: Literal["hard", "soft"] = "hard",
        seed: int | None = None,
        kernel_initializer: Initializer = "glorot_uniform",
        kernel_regularizer: Regularizer = None,
        **kwargs,
    ):
        _refuse_option(kwargs, "dropout", 0.0, "the weights would not be those of a choice")
        _refuse_option(kwargs, "implementation", "auto", "there is only one")
        self.score_name = arguments.one_of("score", score, ("additive", "general"))
        self.units = arguments.positive_integer("units", units, optional=True)
        self.normalized = arguments.boolean("normalized", normalized)
        if score == "general" and units is not None:
            raise ValueError(
                "Expected `units` with score='additive' only. "
                f"Received: score='general', units={units!r}"
            )

        def create_score(name):
            options = {
                "kernel_initializer": kernel_initializer,
                "kernel_regularizer": kernel_regularizer,
                "dtype": kwargs.get("dtype"),
                "name": name,
            }
            if score == "general":
                return GeneralScore(**options)
            is_normalized = normalized and name == "score"
            return AdditiveScore(units=units, use_bias=True, normalized=is_normalized, **options)

        super().__init__(score=create_score("score"), normalize=softmax, seed=seed, **kwargs)
        if not arguments.is_real(bias) or not math.isfinite(bias):
            raise ValueError(f"Expected `bias` to be a finite number. Received: bias={bias!r}")
        self.bias = float(bias)
        self.noise = arguments.nonnegative_number("noise", noise)
        self.chunk = arguments.positive_integer("chunk", chunk)
        self.inference = arguments.one_of("inference", inference, ("hard", "soft"))
        self.chunk_score = create_score("chunk_score") if self.chunk > 1 else None
        self.seed_generator = keras.random.SeedGenerator(self.seed)
        self.perturbation = EnergyNoise(self)

    def build(self, input_shape: Any) -> None:
        super().build(input_shape)
        self.energy_bias = self.add_weight(
            name="energy_bias",
            shape=(),
            initializer=keras.initializers.Constant(self.bias),
            autocast=False,
        )
        if self.chunk_score is not None:
            query_shape, _, key_shape = split_shapes(input_shape)
            self.chunk_score.build(query_shape, key_shape)

    def project_keys(self, key: Tensor) -> Nest:
        """Return the keys of both scores; the second is None without chunks."""
        chunk_keys = None if self.chunk_score is None else self.chunk_score.project_key(key)
        return self.score.project_key(key), chunk_keys

    def initial_carry(self, memory: PreparedMemory) -> Nest:
        return first_key_weights(memory, score_dtype(self.compute_dtype))

    def carry_spec(self, batch: int | None, keys: int | None) -> Nest:
        """Return the spec of the probabilities with which the previous query chose each key."""
        return keras.KerasTensor((batch, keys), dtype=score_dtype(self.compute_dtype))

    def attend_step(
        self,
        query: Tensor,
        memory: PreparedMemory,
        carry: Nest,
        noise: Nest = None,
        positions: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, Nest]:
        """Attend with one query per sequence; see `QueryValueAttention.attend_step`."""
        check_not_symbolic("attend_step", query=query, memory=memory)
        mask = as_structured_mask(memory.mask, 1, ops.shape(memory.values)[-2])
        query = ops.cast(query, self.compute_dtype)
        projected = to_score_precision(mask.zero_masked_queries(query, is_single=True))
        visible = mask.dense()
        visible = None if visible is None else ops.squeeze(visible, -2)
        energy_keys, chunk_keys = memory.keys
        energies = _compare_single(self.score, projected, energy_keys)
        energies = ops.add(energies, ops.cast(self.energy_bias, energies.dtype))
        if self.inference == "soft" or noise is not None:
            ends = monotonic(energies, visible, previous=carry, noise=noise)
            keeps_carry = None if visible is None else ops.logical_not(ops.any(visible, axis=-1))
        else:
            ends = monotonic_hard(energies, visible, previous=carry)
            keeps_carry = ops.logical_not(ops.any(ends > 0, axis=-1))
        weights = ends
        if self.chunk_score is not None:
            scores = _compare_single(self.chunk_score, projected, chunk_keys)
            weights = chunkwise(scores, visible, ends=ends, width=self.chunk)
        context = weighted_sum(ops.expand_dims(weights, -2), memory.values)
        output = self.transform_output(ops.squeeze(context, -2), query)
        if keeps_carry is not None:
            ends = ops.where(ops.expand_dims(keeps_carry, -1), carry, ends)
        return output, weights, ends

    def get_config(self) -> Config:
        score, config = self.score.get_config(), super().get_config()
        del config["dropout"], config["implementation"]  # not arguments of this layer
        return {
            **config,
            "score": self.score_name,
            "units": self.units,
            "normalized": self.normalized,
            "bias": self.bias,
            "noise": self.noise,
            "chunk": self.chunk,
            "inference": self.inference,
            "kernel_initializer": score["kernel_initializer"],
            "kernel_regularizer": score["kernel_regularizer"],
        }


class EnergyNoise(Perturbation):
    """Normal noise of the energies in training; the weights are not changed.

    Args:
        layer: A `MonotonicAttention`, whose `noise` and `seed_generator` are read at every call,
            so that the noise can be annealed.
    """

    def __init__(self, layer: MonotonicAttention):
        self.layer = layer

    def sample(self, query: Tensor, memory: PreparedMemory) -> Tensor:
        """Draw the noise of all queries: `(batch, Tq, Tk)`, or `(batch, Tk)` for a single query.

        The last axis has size 1 if the layer's noise is 0.
        """
        shape = (*ops.shape(query)[:-1], ops.shape(memory.values)[-2] if self.layer.noise else 1)
        if not self.layer.noise:  # not None, by which a step recognizes training
            return ops.zeros(shape, "float32")
        return self.layer.noise * keras.random.normal(shape, seed=self.layer.seed_generator)

    def __call__(self, weights: Tensor, noise: Tensor | None = None) -> Tensor:
        return weights


def _compare_single(score, query, keys):
    """Return the scores `(batch, Tk)` of one query per sequence."""
    projected = ops.expand_dims(score.project_query(query), -2)
    return ops.squeeze(compare(score, projected, keys), -2)


def _refuse_option(options, name, default, reason):
    value = options.pop(name, default)
    if value != default:
        raise ValueError(f"Expected no `{name}`: {reason}. Received: {name}={value!r}")
