"""Luong's local attention: each query attends to a window of keys (Luong et al. 2015)."""

from typing import Any, Literal

import keras
from keras import ops

from keras_attention import arguments
from keras_attention.kernels.attention import Implementation, compare
from keras_attention.kernels.local.bands import (
    build_band_mask,
    merge_blocks,
    rows_per_band,
    split_blocks,
    spread_bands,
)
from keras_attention.kernels.local.windows import gather_window, window_around
from keras_attention.kernels.prepared_memory import PreparedMemory
from keras_attention.layers.call_arguments.inputs import prepare_inputs, split_inputs
from keras_attention.layers.call_arguments.query_positions import query_positions
from keras_attention.layers.call_arguments.shapes import split_shapes
from keras_attention.layers.query_value.luong_base import Luong
from keras_attention.mask import combine, hide, span
from keras_attention.mask.structured_mask import as_structured_mask, build_structured_mask
from keras_attention.normalize import gaussian, softmax
from keras_attention.precision import to_score_precision
from keras_attention.read import weighted_sum
from keras_attention.tensors import check_not_symbolic
from keras_attention.types import Config, Initializer, Nest, Regularizer, Tensor

ALIGNMENTS = ("predictive", "monotonic")
SCORES = ("dot", "general", "concat")


@keras.saving.register_keras_serializable(package="keras_attention")
class LocalAttention(Luong):
    """Luong's local attention, local-p and local-m: each query attends to at most 2D + 1 keys.

    score: dot, general or concat; mask: window, padding, causal; normalize: softmax in the window,
    times a Gaussian where its center is predicted; read: weighted sum of the window, then the
    attentional vector if `units` is given.

    The sentence extends from the first to the last key that is visible to any query. Its positions
    are s = 0, 1, ..., S - 1, however much padding precedes or follows it.

        predictive (local-p): p_t = S sigmoid(v . tanh(query_t W))               equation 9
        monotonic (local-m):  p_t = t
        align_t[s]   = softmax of score[t, s] over p_t - D <= s <= p_t + D       equation 7
        weights_t[s] = align_t[s] exp(-(s - p_t)^2 / (2 (D / 2)^2))              equation 10
                       (monotonic: align_t[s])
        context_t    = sum_s weights_t[s] value[s]
        with units: h~_t = tanh([context_t; query_t] Wc)                         equation 5

    The window's keys and values are gathered: time and memory grow with Tq (2D + 1), not with
    Tq Tk, except for the full rows of weights, if they are returned, and for an `attention_mask`.
    In local-m, blocks of queries gather a common band of keys, which is much faster, unless
    positions are passed. If the window covers the sentence, local-m is global attention. p_t has a
    gradient only through the Gaussian, because it moves the window in whole steps. In local-m, if
    the target is longer than the source, windows beyond the source's end are empty, and an empty
    window gives a zero context.

    Weights, in this order: `output_kernel` Wc (Dv + Dq, units) if `units` is given,
    with alignment="predictive" `position_kernel` W (Dq, Dq) and `position_scale` v (Dq, 1), then
    those of the score.

    Args:
        window: Half width D of the window, an int of at least 1; 10 in the paper.
        alignment: "predictive" or "monotonic".
        score: "dot", "general" or "concat", as in `LuongAttention`.
        units: Width of the attentional vector h~ that is returned instead of the context; None
            returns the context itself.
        renormalize: Whether the weights sum to 1 after the Gaussian too (with "monotonic" they
            always do). In the paper they sum to less than 1, and at the window's edge they are
            0.135 times the softmax.
        dropout: Fraction of the weights to drop in training, in [0, 1).
        seed: Seed of the dropout, an int or None.
        kernel_initializer: Initializer of all kernels and of v; U(-0.1, 0.1) in the paper. With
            v = 0, every p_t is S / 2.
        kernel_regularizer: Regularizer of all kernels and of v.
        implementation: How the scores of score="concat" are computed. "plain" computes the formula
            with its tensor of `(batch, Tq, Tk, units)`. "blockwise" gives the same numbers, to
            rounding, without that tensor. "auto" chooses the faster one for the sizes. "blockwise"
            is for score="concat" only.

    Call arguments:
        As in `LuongAttention`, and
        positions: t of each query, int, broadcastable to `(batch, Tq)`, or to `(batch,)` for a
            single query, with alignment="monotonic" only. None counts the queries that are not
            masked, so that a masked query in the middle has no position. A masked key in the middle
            does have one: if a sequence with such a gap attends to itself, pass `positions`. An
            `AttentionDecoder` passes the number of each step, also counting unmasked steps only.

    Returns:
        Context `(batch, Tq, Dv)`, or h~ `(batch, Tq, units)`, and with `return_attention_scores`
        the weights in full rows `(batch, Tq, Tk)`; all without `Tq` for a single query.

    Raises:
        ValueError: If an argument, a shape or a mask is not as described.

    Example:
    >>> states, memory = np.ones((2, 3, 8), "float32"), np.ones((2, 50, 16), "float32")
    >>> keras_attention.LocalAttention(window=10, units=7)([states, memory]).shape
    TensorShape([2, 3, 7])

    Differs from the paper: keys are counted from 0, which the paper does not specify. `concat` has
    a full W, as in `LuongAttention`. The authors' released code differs from their paper: its
    window is centered at the integer below p_t, and its local-m stays at the last word if the
    target is longer than the source. Under a causal mask, p_t still depends on the length S.

    Reference:
        Effective Approaches to Attention-based Neural Machine Translation, Luong, Pham, Manning
        (2015), section 3.2, https://arxiv.org/abs/1508.04025.
    """

    def __init__(
        self,
        window: int,
        alignment: Literal["predictive", "monotonic"] = "predictive",
        score: Literal["dot", "general", "concat"] = "general",
        units: int | None = None,
        renormalize: bool = False,
        dropout: float = 0.0,
        seed: int | None = None,
        kernel_initializer: Initializer = "glorot_uniform",
        kernel_regularizer: Regularizer = None,
        implementation: Implementation = "auto",
        **kwargs,
    ):
        super().__init__(
            score=arguments.one_of("score", score, SCORES),
            units=units,
            dropout=dropout,
            seed=seed,
            kernel_initializer=kernel_initializer,
            kernel_regularizer=kernel_regularizer,
            implementation=implementation,
            **kwargs,
        )
        if implementation == "blockwise" and score != "concat":
            raise ValueError(
                "Expected implementation='auto' or 'plain' unless score='concat'. "
                f"Received: score={score!r}, implementation='blockwise'"
            )
        self.window = arguments.positive_integer("window", window)
        self.alignment = arguments.one_of("alignment", alignment, ALIGNMENTS)
        self.renormalize = arguments.boolean("renormalize", renormalize)

    def build(self, input_shape: Any) -> None:
        super().build(input_shape)
        if self.alignment == "predictive":
            width = split_shapes(input_shape)[0][-1]
            self.position_kernel = self._add_kernel("position_kernel", (width, width))
            self.position_scale = self._add_kernel("position_scale", (width, 1))

    def call(
        self,
        inputs: Any,
        mask: Any = None,
        attention_mask: Tensor | None = None,
        return_attention_scores: bool = False,
        use_causal_mask: bool = False,
        training: bool | None = None,
        positions: Tensor | None = None,
    ) -> Any:
        query, value, key, query_mask, key_mask = prepare_inputs(inputs, mask)
        self._check_call(query, key, positions)
        rows = self._count_rows_per_block(query, key, positions)
        positions = query_positions(query, key, query_mask, positions)
        query = hide(query, query_mask)
        mask = build_structured_mask(
            query, key, query_mask, key_mask, attention_mask, use_causal_mask
        )
        memory = self.prepare(value, key, mask)
        noise = self.perturbation.sample(query, memory) if training else None
        output, *band_weights = self._attend_to_bands(query, memory, noise, positions, rows)
        output = hide(output, query_mask)
        # Full rows of weights grow with Tq Tk: build them only if they are needed.
        has_loss = bool(training) and self.perturbation.has_loss
        if return_attention_scores or has_loss:
            queries, keys = ops.shape(query)[-2], ops.shape(key)[-2]
            weights = spread_bands(*band_weights, queries=queries, keys=keys)
            weights = hide(weights, query_mask)
        if has_loss:
            self.add_perturbation_loss(weights, noise, query_mask)
        if return_attention_scores:
            return output, ops.cast(weights, self.compute_dtype)
        return output

    def prepare(
        self, value: Tensor, key: Tensor | None = None, mask: Any = None, for_steps: bool = False
    ) -> PreparedMemory:
        return super().prepare(value, key, mask)  # windows are gathered from keys, not `StepKeys`

    def attend(
        self,
        query: Tensor,
        memory: PreparedMemory,
        noise: Nest = None,
        positions: Tensor | None = None,
        return_weights: bool = True,
    ) -> tuple[Tensor, Tensor | None]:
        check_not_symbolic("attend", query=query, memory=(memory.keys, memory.values))
        rows = self._count_rows_per_block(query, memory.values, positions)
        output, *band_weights = self._attend_to_bands(query, memory, noise, positions, rows)
        if not return_weights:
            return output, None
        queries, keys = ops.shape(query)[-2], ops.shape(memory.keys)[-2]
        return output, spread_bands(*band_weights, queries=queries, keys=keys)

    def _count_rows_per_block(self, query, key, positions):
        """Return how many queries share a band of keys: 1 unless their windows are adjacent."""
        is_single = len(query.shape) < len(key.shape)
        if self.alignment == "predictive" or positions is not None or is_single:
            return 1
        return rows_per_band(ops.shape(query)[-2], self.window, self.score_name != "concat")

    def _attend_to_bands(self, query, memory, noise, positions, rows):
        """Return output, weights of the bands `(batch, blocks, rows, n)`, and their key indices."""
        query = ops.cast(query, self.compute_dtype)
        rank, keys = len(memory.values.shape), ops.shape(memory.values)[-2]
        is_single = len(query.shape) < rank
        queries = 1 if is_single else ops.shape(query)[-2]
        mask = as_structured_mask(memory.mask, queries, keys)
        visible = combine(mask.key_is_visible(), ops.ones((*[1] * (rank - 2), keys), "bool"))
        # Fully masked queries are zeroed before they are projected: they may be NaN.
        query_input = to_score_precision(mask.zero_masked_queries(query, is_single))
        start, length = (x if is_single else x[..., None] for x in span(visible[..., None, :]))
        if positions is None:
            positions = ops.arange(queries, dtype="int32")
        center = split_blocks(self._compute_center(query_input, length, positions), rows, axis=-1)
        indices, distance, is_inside = window_around(center, self.window, start, length)
        # From here on, every block of queries has its own short memory: the keys of its band.
        band_keys = gather_window(memory.keys, indices)
        band_values = gather_window(memory.values, indices)
        band_mask = ops.logical_and(is_inside, build_band_mask(mask, visible, indices, rows))
        projected = split_blocks(self.score.project_query(query_input), rows)
        scores = compare(self.score, projected, band_keys, self.implementation)
        weights = self._normalize_band(scores, band_mask, distance)
        noise = None if noise is None else split_blocks(noise, rows)
        context = weighted_sum(self.perturbation(weights, noise), band_values)
        return self.transform_output(merge_blocks(context, queries), query), weights, indices

    def _compute_center(self, query, length, positions):
        """Return p_t, positions in the sentence, float, broadcastable to `(batch, Tq)`."""
        if self.alignment == "predictive":
            hidden = ops.tanh(ops.matmul(query, self.position_kernel))
            fraction = ops.sigmoid(ops.matmul(hidden, self.position_scale)[..., 0])
            return ops.cast(length, fraction.dtype) * fraction
        # Add batch axes of size 1, so that windows that all sequences share are computed once.
        ones = [1] * (len(query.shape) - 1 - len(positions.shape))
        return ops.cast(ops.reshape(positions, (*ones, *ops.shape(positions))), query.dtype)

    def _normalize_band(self, scores, mask, distance):
        if self.alignment == "monotonic":
            return softmax(scores, mask)
        return gaussian(
            scores,
            mask,
            distance=distance,
            deviation=self.window / 2,
            renormalize=self.renormalize,
        )

    def _check_call(self, query, key, positions):
        if 0 in (*query.shape[:-1][len(key.shape) - 2 :], key.shape[-2]):
            raise ValueError(
                "Expected at least one query and one key. "
                f"Received: query {tuple(query.shape)}, key {tuple(key.shape)}"
            )
        if positions is not None and self.alignment == "predictive":
            raise ValueError(
                "Expected `positions` with alignment='monotonic' only. "
                f"Received: alignment='predictive', positions={positions!r}"
            )

    def compute_output_spec(
        self, inputs: Any, *args, positions: Tensor | None = None, **kwargs
    ) -> Any:
        query, _, key = split_inputs(inputs)
        self._check_call(query, key, positions)
        return super().compute_output_spec(inputs, *args, **kwargs)

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "window": self.window,
            "alignment": self.alignment,
            "renormalize": self.renormalize,
        }
