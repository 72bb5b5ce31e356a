"""Luong's local attention: a window around a place that each query has (Luong et al. 2015)."""

import keras
from keras import ops

from keras_attention import arguments
from keras_attention.kernels.additive.compare import compare
from keras_attention.kernels.local.bands import (
    build_band_mask,
    merge_blocks,
    rows_per_band,
    split_blocks,
    spread_bands,
)
from keras_attention.kernels.local.windows import gather_window, window_around
from keras_attention.layers.call_arguments.inputs import split_inputs, split_masks, split_shapes
from keras_attention.layers.call_arguments.masks import build_structured_mask
from keras_attention.layers.call_arguments.query_positions import query_positions
from keras_attention.layers.query_value.base import PreparedMemory
from keras_attention.layers.query_value.luong_base import Luong
from keras_attention.mask import combine, hide, span
from keras_attention.mask.structured_mask import as_structured_mask
from keras_attention.normalize import gaussian, softmax
from keras_attention.precision import to_score_precision

ALIGNMENTS = ("predictive", "monotonic")
SCORES = ("dot", "general", "concat")


@keras.saving.register_keras_serializable(package="keras_attention")
class LocalAttention(Luong):
    """Luong's local attention, local-p and local-m: each query sees 2D + 1 keys at most.

    score: dot, general or concat; mask: window, padding, causal; normalize: softmax in the window,
    times a Gaussian where its centre is predicted; read: weighted sum of the window, then the
    attentional vector if `units` is given.

    A sentence is what stands from the first to the last key that any query may see. Its places are
    s = 0, 1, ..., S - 1, however much padding stands before or behind.

        predictive (local-p): p_t = S sigmoid(v . tanh(query_t W))               equation 9
        monotonic (local-m):  p_t = t
        align_t[s]   = softmax of score[t, s] over p_t - D <= s <= p_t + D       equation 7
        weights_t[s] = align_t[s] exp(-(s - p_t)^2 / (2 (D / 2)^2))              equation 10
                       (monotonic: align_t[s])
        context_t    = sum_s weights_t[s] value[s]
        with units: h~_t = tanh([context_t; query_t] Wc)                         equation 5

    The window's keys and values are gathered: time and memory grow with Tq (2D + 1), not with
    Tq Tk, but for the rows of weights where asked for, and for masks of pairs. In local-m whole
    blocks of queries gather at once, much faster, unless positions are given. Where D covers the
    sentence, local-m is global attention. In the Gaussian alone p_t is differentiable: the
    window's edges are steps. A target that is longer than the source leaves local-m's windows
    empty behind the source's end, and an empty window reads zeros.

    Weights, in this order: `output_kernel` Wc (Dv + Dq, units) if `units` is given,
    with alignment="predictive" `position_kernel` W (Dq, Dq) and `position_scale` v (Dq, 1), then
    those of the score.

    Args:
        window: Half width D of the window, an int of at least 1; 10 in the paper.
        alignment: "predictive" or "monotonic".
        score: "dot", "general" or "concat", as in `LuongAttention`.
        units: Width of the attentional vector h~ that is returned in the context's place; None
            returns the bare context.
        renormalize: Whether the weights sum to 1 after the Gaussian too (under "monotonic" they
            do anyway). The paper's sum to less, and at the window's edge are 0.135 of what the
            softmax gave.
        dropout: Fraction of the weights to drop in training, in [0, 1).
        seed: Seed of the dropout, an int or None.
        kernel_initializer: Initializer of all kernels and of v. The paper draws from
            U(-0.1, 0.1). With v = 0, every p_t is S / 2.
        kernel_regularizer: Regularizer of all kernels and of v.

    Call arguments:
        As in `LuongAttention`, and
        positions: t of each query, int, broadcastable to `(batch, Tq)`, or to `(batch,)` for a
            single query, with alignment="monotonic" only. None counts the queries that are not
            masked: a masked one in the middle takes no place. So does an `AttentionDecoder`, which
            hands the number of its step over by itself. A masked key in the middle does take a
            place: a sequence with such a hole that attends to itself needs its positions.

    Returns:
        Context `(batch, Tq, Dv)`, or h~ `(batch, Tq, units)`, and with `return_attention_scores`
        the weights in full rows `(batch, Tq, Tk)`; all without `Tq` for a single query.

    Raises:
        ValueError: If an argument, a shape or a mask is not one of these.

    Example:
    >>> states, memory = np.ones((2, 3, 8), "float32"), np.ones((2, 50, 16), "float32")
    >>> keras_attention.LocalAttention(window=10, units=7)([states, memory]).shape
    TensorShape([2, 3, 7])

    Differs from the paper: keys are counted from 0, where the paper says nothing. `concat` has a
    full W, as in `LuongAttention`. The authors' released program differs from their paper: its
    window stands around the whole number below p_t, and its local-m stays at the last word where
    the target is longer than the source. Under a causal mask p_t still knows the length S.

    Reference:
        Effective Approaches to Attention-based Neural Machine Translation, Luong, Pham, Manning
        (2015), section 3.2, https://arxiv.org/abs/1508.04025.
    """

    def __init__(
        self,
        window,
        alignment="predictive",
        score="general",
        units=None,
        renormalize=False,
        dropout=0.0,
        seed=None,
        kernel_initializer="glorot_uniform",
        kernel_regularizer=None,
        **kwargs,
    ):
        super().__init__(
            score=arguments.one_of("score", score, SCORES),
            units=units,
            dropout=dropout,
            seed=seed,
            kernel_initializer=kernel_initializer,
            kernel_regularizer=kernel_regularizer,
            **kwargs,
        )
        self.window = arguments.positive_integer("window", window)
        self.alignment = arguments.one_of("alignment", alignment, ALIGNMENTS)
        self.renormalize = arguments.boolean("renormalize", renormalize)

    def build(self, input_shape):
        super().build(input_shape)
        if self.alignment == "predictive":
            width = split_shapes(input_shape)[0][-1]
            self.position_kernel = self._add_kernel("position_kernel", (width, width))
            self.position_scale = self._add_kernel("position_scale", (width, 1))

    def call(
        self,
        inputs,
        mask=None,
        attention_mask=None,
        return_attention_scores=False,
        use_causal_mask=False,
        training=None,
        positions=None,
    ):
        query, value, key = split_inputs(inputs)
        query_mask, key_mask = split_masks(mask, inputs)
        self._check(query, key, positions)
        rows = self._rows(query, key, positions)
        positions = query_positions(query, key, query_mask, positions)
        query = hide(query, query_mask)
        visible = build_structured_mask(
            query, key, query_mask, key_mask, attention_mask, use_causal_mask
        )
        # A key that no query may see must not touch any number, be it NaN.
        value, key = (hide(x, visible.key_is_visible()) for x in (value, key))
        memory = self.prepare(value, key)._replace(mask=visible)
        noise = self.sample_noise(query, memory) if training else None
        output, *found = self._attend_nearby(query, memory, noise, positions, rows)
        output = hide(output, query_mask)
        # Full rows grow with Tq Tk: they are made only where somebody wants them.
        accounts = training and type(self).add_sampling_loss is not Luong.add_sampling_loss
        if return_attention_scores or accounts:
            weights = spread_bands(*found, ops.shape(query)[-2], ops.shape(key)[-2])
            weights = hide(weights, query_mask)
        if accounts:
            self.add_sampling_loss(weights, noise, query_mask)
        if return_attention_scores:
            return output, ops.cast(weights, self.compute_dtype)
        return output

    def attend(self, query, memory, noise=None, positions=None):
        rows = self._rows(query, memory.values, positions)
        output, *found = self._attend_nearby(query, memory, noise, positions, rows)
        return output, spread_bands(*found, ops.shape(query)[-2], ops.shape(memory.keys)[-2])

    def _rows(self, query, key, positions):
        """How many queries read together: more than one only where they stand side by side."""
        is_single = len(query.shape) < len(key.shape)
        if self.alignment == "predictive" or positions is not None or is_single:
            return 1
        return rows_per_band(ops.shape(query)[-2], self.window, self.score_name != "concat")

    def _attend_nearby(self, query, memory, noise, positions, rows):
        """Output, the bands' weights `(batch, blocks, rows, any)`, the places that they are."""
        query = ops.cast(query, self.compute_dtype)
        rank, keys = len(memory.values.shape), ops.shape(memory.values)[-2]
        is_single = len(query.shape) < rank
        queries = 1 if is_single else ops.shape(query)[-2]
        visible = as_structured_mask(memory.mask, queries, keys)
        seen = combine(visible.key_is_visible(), ops.ones((*[1] * (rank - 2), keys), "bool"))
        # A query that may see nothing must not touch any number, be it NaN.
        sees = visible.query_has_visible_key()
        asking = to_score_precision(
            hide(query, sees[..., 0] if is_single and sees is not None else sees)
        )
        start, length = (x if is_single else x[..., None] for x in span(seen[..., None, :]))
        if positions is None:
            positions = ops.arange(queries, dtype="int32")
        centre = split_blocks(self._centre(asking, length, positions), rows, axis=-1)
        places, distance, inside = window_around(centre, self.window, start, length)
        # Every block of queries now has a short memory of its own.
        nearby = PreparedMemory(
            gather_window(memory.keys, places),
            gather_window(memory.values, places),
            ops.logical_and(inside, build_band_mask(visible, seen, places, rows)),
        )
        scores = compare(
            self.score, split_blocks(self.score.project_query(asking), rows), nearby.keys
        )
        weights = self._weigh(scores, nearby.mask, distance)
        noise = None if noise is None else split_blocks(noise, rows)
        context = merge_blocks(self.read(weights, nearby, noise), queries)
        return self.transform_output(context, query), weights, places

    def _centre(self, asking, length, positions):
        """p_t, broadcastable to `(batch, Tq)`: a place in the sentence, or between two."""
        if self.alignment == "predictive":
            hidden = ops.tanh(ops.matmul(asking, self.position_kernel))
            share = ops.sigmoid(ops.matmul(hidden, self.position_scale)[..., 0])
            return ops.cast(length, share.dtype) * share
        # Lone sizes: windows that are the same for all sequences are found once.
        lone = [1] * (len(asking.shape) - 1 - len(positions.shape))
        return ops.cast(ops.reshape(positions, (*lone, *ops.shape(positions))), asking.dtype)

    def _weigh(self, scores, visible, distance):
        if self.alignment == "monotonic":
            return softmax(scores, visible)
        return gaussian(
            scores,
            visible,
            distance=distance,
            deviation=self.window / 2,
            renormalize=self.renormalize,
        )

    def _check(self, query, key, positions):
        if 0 in (*query.shape[:-1][len(key.shape) - 2 :], key.shape[-2]):
            raise ValueError(
                "Expected one query and one key at least. "
                f"Received: query {tuple(query.shape)}, key {tuple(key.shape)}"
            )
        if positions is not None and self.alignment == "predictive":
            raise ValueError(
                "Expected `positions` with alignment='monotonic' only. "
                f"Received: alignment='predictive', positions={positions!r}"
            )

    def compute_output_spec(self, inputs, *args, positions=None, **kwargs):
        query, _, key = split_inputs(inputs)
        self._check(query, key, positions)
        return super().compute_output_spec(inputs, *args, **kwargs)

    def get_config(self):
        return {
            **super().get_config(),
            "window": self.window,
            "alignment": self.alignment,
            "renormalize": self.renormalize,
        }
