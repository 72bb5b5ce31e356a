"""The only place that chooses how an attention is evaluated: by the plain steps or by a kernel."""

import logging
import math
from typing import Any, Literal

import keras
from keras import ops

from keras_attention.kernels import tuning
from keras_attention.kernels.additive.attention import additive_attention
from keras_attention.kernels.additive.scores import additive_scores
from keras_attention.kernels.additive.single_query import StepKeys, additive_step, prepare_keys
from keras_attention.kernels.bias import run_fast_or_safe
from keras_attention.kernels.dot.attention import dot_attention
from keras_attention.kernels.sizes import is_product_below
from keras_attention.kernels.xla_context import is_compiled
from keras_attention.mask import combine
from keras_attention.mask.structured_mask import StructuredMask
from keras_attention.normalize import softmax
from keras_attention.precision import at_least_float32
from keras_attention.read import weighted_sum
from keras_attention.score.score import Score
from keras_attention.server_context import get_max_length
from keras_attention.types import Nest, Normalizer, Tensor

IMPLEMENTATIONS = ("auto", "plain", "blockwise")
Implementation = Literal["auto", "plain", "blockwise"]

logger = logging.getLogger("keras_attention.kernels")


def attention(
    score: Score,
    normalize: Normalizer,
    perturbation: Any,
    query: Tensor,
    memory: Any,
    mask: StructuredMask,
    noise: Nest = None,
    *,
    bias: Tensor | None = None,
    implementation: Implementation = "auto",
    return_weights: bool = True,
    groups: int | None = None,
) -> tuple[Tensor, Tensor | None]:
    """Score, mask, normalize and read, by the fastest implementation that gives the same numbers.

    The caller has zeroed masked positions and then projected: every input is finite. Domains of
    the kernels: additive kernels take projections of any size; the dot kernels clip scores to
    +-1e38, as the normalizers do. A layer's `call` broadcasts the batch axes of its inputs first.
    Loops do not: inputs whose batch axes differ are left to the plain steps, which broadcast.

    Args:
        score: A `Score`; its `kernel_family` says which kernels compute the same numbers.
        normalize: A function `(scores, mask) -> weights`. Only softmax has kernels.
        perturbation: A `Perturbation` of the weights, or None.
        query: Projected queries `(batch, ..., Tq, D)`, of any float dtype, which is that of the
            products; with `groups`, `(batch, heads, Tq, D)`.
        memory: Has `keys`, projected `(batch, ..., Tk, D)` or a `StepKeys`, and `values`
            `(batch, ..., Tk, Dv)`; with `groups`, both are `(batch, groups, Tk, width)`.
        mask: A `StructuredMask`, the same for all heads.
        noise: The noise that the perturbation sampled for these queries; None outside of training.
        bias: Added to the scores, broadcastable to them, or None; -inf masks a position.
        implementation: "plain", "blockwise", or "auto", which chooses by the sizes.
        return_weights: Whether to return the weights too. If a kernel computes the context without
            weights, they are computed separately.
        groups: Number of heads of keys and values, which divides the number of heads of the
            queries: consecutive heads share keys. None = the tensors have no axis of heads.

    Returns:
        Context, of the queries' shape but the values' width and dtype; and the weights
        `(batch, ..., Tq, Tk)` before the perturbation, or None.
    """
    keys, values = memory.keys, memory.values
    if not isinstance(keys, StepKeys) and keys.dtype != query.dtype:
        query, keys = at_least_float32(query), at_least_float32(keys)
    is_dropout = perturbation is None or perturbation.kernel_family == "dropout"
    seeds, rate = None, 0.0
    if is_dropout and noise is not None:
        seeds, rate = perturbation.row_seeds(noise), perturbation.rate
    family = score.kernel_family if normalize is softmax and is_dropout else None
    options = seeds is not None, bias is not None, groups is not None
    if family == "additive" and can_run_additive_blockwise(
        score, query, keys, values, implementation, *options
    ):
        _log("additive, blockwise", query, keys)
        keys = keys.keys if isinstance(keys, StepKeys) else keys
        inputs = query, keys, score.compute_scale(), values, mask, seeds, rate
        return additive_attention(*inputs, return_weights)
    is_dot = family == "dot" and can_run_dot_blockwise(
        query, keys, values, implementation, *options
    )

    def compute_weights():
        options = mask, bias, implementation, groups
        return _compute_weights(score, normalize, query, keys, *options)

    def read(weights):
        perturbed = weights if is_dropout and noise is None else perturbation(weights, noise)
        context = weighted_sum(_group_heads(perturbed, groups), _group_heads(values, groups))
        return _split_groups(context, groups, query.shape[-3])

    weights, kernel = None, None
    if return_weights or not is_dot:
        weights, kernel = compute_weights()
    _log("dot product, blockwise" if is_dot else kernel, query, keys)
    if not is_dot:
        return read(weights), weights if return_weights else None
    inputs = query, keys, values, mask, seeds, rate, bias, groups
    is_short = _is_short_at_run_time(query, mask, implementation)
    if is_short is None:
        return _attend_dots(dot_attention, *inputs), weights
    from keras_attention.kernels.dot.tensorflow.shared import call_dot_attention

    context = ops.cond(
        is_short,
        lambda: read(compute_weights()[0] if weights is None else weights),
        lambda: _attend_dots(call_dot_attention, *inputs),
    )
    return context, weights


def compare(
    score: Score, query: Tensor, keys: Any, implementation: Implementation = "auto"
) -> Tensor:
    """Return the scores `(batch, ..., Tq, Tk)`, those of `score.compare` to rounding.

    Args:
        score: A `Score`.
        query: Projected queries `(batch, ..., Tq, D)`.
        keys: Projected keys `(batch, ..., Tk, D)`, or a `StepKeys`.
        implementation: As in `attention`.
    """
    scores, kernel = _compute_scores(score, query, keys, implementation)
    _log(kernel, query, keys)
    return scores


def prepare_step_keys(
    score: Score, keys: Tensor, implementation: Implementation = "auto"
) -> Tensor | StepKeys:
    """Prepare projected keys, once per sequence, for a loop that attends with one query at a time.

    Under XLA, an additive score's keys `(batch, Tk, units)` become `StepKeys`. Without a compiler
    the keys are returned unchanged, because a reciprocal takes as long as the tanh it replaces.
    """
    has_kernel = score.kernel_family == "additive" and implementation != "plain"
    is_large = len(keys.shape) == 3 and keys.shape[-1] >= tuning.ADDITIVE_MIN_UNITS
    return prepare_keys(keys) if has_kernel and is_large and is_compiled() else keys


def can_compare_blockwise(score, query, keys, implementation="auto"):
    """Return whether to compute these scores by `additive_scores`."""
    if score.kernel_family != "additive" or 0 in (*query.shape, *keys.shape):
        return False
    if implementation != "auto" or tuple(query.shape[:-2]) != tuple(keys.shape[:-2]):
        return implementation == "blockwise"
    (*outer, queries, units), key_count = query.shape, keys.shape[-2]
    if units < tuning.ADDITIVE_MIN_UNITS:
        return False
    if queries is not None and queries <= tuning.ADDITIVE_MAX_PLAIN_QUERIES:
        return False
    if None in (queries, key_count):
        return True
    pairs = queries * key_count
    elements = math.prod(size or 1 for size in outer) * pairs * units
    if is_compiled():
        return elements >= tuning.ADDITIVE_MIN_ELEMENTS_COMPILED
    is_large = elements >= tuning.ADDITIVE_MIN_ELEMENTS_UNCOMPILED
    return is_large and pairs >= tuning.ADDITIVE_MIN_PAIRS_UNCOMPILED


def can_run_additive_blockwise(
    score,
    query,
    keys,
    values,
    implementation="auto",
    has_dropout=False,
    has_bias=False,
    has_heads=False,
):
    """Return whether to compute this attention by `additive_attention`."""
    if has_bias or has_heads:
        return False
    keys = keys.keys if isinstance(keys, StepKeys) else keys
    if len({tuple(x.shape[:-2]) for x in (query, keys, values)}) > 1 or query.shape[-2] == 1:
        return False
    if not can_compare_blockwise(score, query, keys, implementation):
        return False
    *outer, queries, _ = query.shape
    sizes = (*(size or 1 for size in outer), queries, keys.shape[-2])
    is_large = None not in sizes and math.prod(sizes) > tuning.ADDITIVE_PAIRS_PER_BLOCK
    return implementation == "blockwise" or is_large


def can_run_dot_blockwise(
    query,
    keys,
    values,
    implementation="auto",
    has_dropout=False,
    has_bias=False,
    has_heads=True,
):
    """Return whether to compute this attention by `dot_attention`."""
    queries, key_count = query.shape[-2], keys.shape[-2]
    batches = {query.shape[0], keys.shape[0], values.shape[0]}
    # Inputs with different batch sizes are left to the plain steps, which broadcast.
    is_broadcast = len(batches - {None}) > 1 or (len(batches) > 1 and 1 in batches)
    has_kernel_rank = len(query.shape) == len(keys.shape) == (4 if has_heads else 3)
    if implementation == "plain" or not has_kernel_rank or is_broadcast:
        return False
    if 0 in batches or key_count == 0 or queries in (0, 1):
        return False
    if keras.backend.backend() == "torch" and (has_dropout or has_bias):
        # PyTorch's fused attention has no seeded dropout, and accepts a mask or a bias, not both.
        # Adding the mask to the bias would not help: NaN at masked positions of the bias remains.
        return False
    if implementation == "blockwise":
        return True
    if queries is None or key_count is None:
        max_length = get_max_length()
        if max_length is None:
            return True
        queries, key_count = (max_length if size is None else size for size in (queries, key_count))
    return queries * key_count >= tuning.DOT_MIN_WEIGHTS_PER_HEAD


def _attend_dots(attend, query, keys, values, mask, seeds, rate, bias, groups):
    """Return the context of `attend`, a `dot_attention`; without `groups`, of a single head."""
    inputs = [query, keys, values, seeds]
    if groups is None:
        inputs = [None if x is None else ops.expand_dims(x, 1) for x in inputs]
    *inputs, seeds = inputs
    context = attend(*inputs, mask, seeds, rate, bias)
    return context if groups else ops.squeeze(context, 1)


def _compute_scores(score, query, keys, implementation):
    """Return the scores, and the name of the kernel that computes them."""
    if isinstance(keys, StepKeys):
        is_same_batch = tuple(query.shape[:-2]) == tuple(keys.keys.shape[:-2])
        if query.shape[-2] == 1 and is_same_batch:
            return additive_step(query, keys, score.compute_scale()), "additive, single query"
        keys = keys.keys
    if can_compare_blockwise(score, query, keys, implementation):
        is_large = _is_large_at_run_time(query, keys, implementation)
        return additive_scores(query, keys, score.compute_scale(), is_large), "additive scores"
    return score.compare(query, keys), "plain"


def _compute_weights(score, normalize, query, keys, mask, bias, implementation, groups):
    """Return the weights by the steps score, mask and normalize, and the scores' kernel."""
    heads = query.shape[-3]
    query, keys = _group_heads(query, groups), _group_heads(keys, groups)
    scores, kernel = _compute_scores(score, query, keys, implementation)
    scores = _split_groups(scores, groups, heads)
    visible = mask.dense()
    if groups is not None and visible is not None:
        visible = ops.expand_dims(visible, -3)
    if bias is None:
        return normalize(scores, mask=visible), kernel
    scores = scores + bias

    def normalize_included():
        included = ops.not_equal(bias, float("-inf"))
        return normalize(scores, mask=combine(visible, included))

    weights = run_fast_or_safe(bias, lambda: normalize(scores, mask=visible), normalize_included)
    return weights, kernel


def _group_heads(x, groups):
    """`(batch, heads, T, D)` -> `(batch, groups, heads * T / groups, D)`.

    The heads that share a group's keys become more queries of one head, so that shared keys and
    values need no copies. A single group has no axis: TensorFlow multiplies `(B, 1, m, n)` by
    `(1, 1, n, k)` wrongly on CPUs. `groups` of None = there is no axis of heads.
    """
    if groups is None or 1 < groups == x.shape[-3]:
        return x
    batch, heads, steps, width = ops.shape(x)
    axis = () if groups == 1 else (groups,)
    return ops.reshape(x, (batch, *axis, heads * steps // groups, width))


def _split_groups(x, groups, heads):
    """Reverse `_group_heads`."""
    if groups is None or 1 < groups == heads:
        return x
    batch, *_, rows, width = ops.shape(x)
    return ops.reshape(x, (batch, heads, rows * groups // heads, width))


def _is_large_at_run_time(query, keys, implementation):
    """Return whether a kernel is faster: a bool scalar tensor if sizes are known only at run time.

    None = no choice at run time is needed, for example under XLA, which knows all sizes when it
    compiles.
    """
    queries, key_count, elements = query.shape[-2], keys.shape[-2], query.shape[-1]
    if implementation != "auto" or None not in (queries, key_count) or is_compiled():
        return None
    pairs = ops.cast(ops.shape(query)[-2], "float32") * ops.cast(ops.shape(keys)[-2], "float32")
    for size in ops.shape(query)[:-2]:
        elements = elements * ops.cast(size, "float32")
    return ops.logical_and(
        pairs * elements >= tuning.ADDITIVE_MIN_ELEMENTS_UNCOMPILED,
        pairs >= tuning.ADDITIVE_MIN_PAIRS_UNCOMPILED,
    )


def _is_short_at_run_time(query, mask, implementation):
    """Return whether the plain steps are faster: a bool scalar tensor, or None as above."""
    is_known = isinstance(mask.queries, int) and isinstance(mask.keys, int)
    # The symbolic sizes of PyTorch's and JAX's exports are compared when they are traced.
    is_traced = keras.backend.backend() != "tensorflow" or is_compiled()
    if implementation != "auto" or is_known or is_traced:
        return None
    # The blocks of an empty batch would be arrays without an element.
    is_filled = ops.minimum(ops.shape(query)[0], 1)
    limit = tuning.DOT_MIN_WEIGHTS_PER_HEAD
    return is_product_below(limit, is_filled, mask.queries, mask.keys)


def _log(kernel, query, keys):
    if logger.isEnabledFor(logging.DEBUG):
        keys = keys.keys if isinstance(keys, StepKeys) else keys
        shapes = tuple(query.shape), tuple(keys.shape)
        logger.debug("%s: queries %s, keys %s", kernel, *shapes)
