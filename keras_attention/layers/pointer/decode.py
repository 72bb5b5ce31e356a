"""Autoregressive decoding with a pointer decoder: the selected element is the next input."""

from typing import Any, NamedTuple

from keras import ops

from keras_attention import arguments
from keras_attention.decoding import beam_search, greedy
from keras_attention.layers.pointer.check_call import check_shapes
from keras_attention.layers.pointer.pointing import gather_rows
from keras_attention.mask import combine, visited
from keras_attention.normalize.masked import MASKED_SCORE
from keras_attention.tensors import check_not_symbolic, keras_mask
from keras_attention.types import Nest, Tensor

# The loop's tokens are rows of the table that `prepend_begin` builds. Token j + 1 is element j.
# Token 0 is the begin symbol as an input, and the end of the sequence as an output.
BEGIN = END = 0


class Pointed(NamedTuple):
    """The sequences that a `PointerDecoder` decoded.

    With `return_all_beams=True` every field has an axis of beams after the batch.

    Attributes:
        indices: `(batch, L)` int32; -1 after the end.
        lengths: `(batch,)` int32, the number of indices, including the end's.
        log_probabilities: `(batch,)` float32, of the whole sequences.
        weights: `(batch, L, columns)` float32, zero after the end; or None.
    """

    indices: Tensor
    lengths: Tensor
    log_probabilities: Tensor
    weights: Tensor | None


def decode(
    layer: Any,
    memory: Tensor,
    points: Tensor | None = None,
    memory_mask: Tensor | None = None,
    initial_state: Nest | None = None,
    max_length: int | Tensor | None = None,
    beam_width: int = 1,
    allow_repeats: bool = False,
    return_all_beams: bool = False,
    return_attention_scores: bool = False,
) -> Pointed:
    """Decode autoregressively: the input of each step is the element that the last one pointed to.

    Decoding runs as one loop inside the graph, by `decoding.greedy` or `decoding.beam_search`. A
    sequence ends when the decoder points to the end (with `end_slot`), when no element is left to
    point to, or at `max_length`. Without repeats and without an end, each row is therefore a
    permutation of its elements. A polygon that closes with its first point needs
    `allow_repeats=True`.

    Args:
        layer: The `PointerDecoder`.
        memory: `(batch, Tin, Dm)`.
        points: The elements' own vectors `(batch, Tin, D)`; None = the memory.
        memory_mask: Bool `(batch, Tin)`; None = the memory's Keras mask, if it has one.
        initial_state: The cell's states, nested in any way; None = the cell's initial state.
        max_length: Int or int scalar tensor, L: the maximum number of indices, including the end's.
            None = Tin (1 + Tin with `end_slot`), allowed only without repeats. In a graph with an
            unknown Tin, it is computed at run time.
        beam_width: Int, number of partial sequences kept at every step; 1 is greedy.
        allow_repeats: Whether the decoder can point to an element again. If not, probabilities are
            normalized over the remaining elements (and the end), as in a call with `mask_visited`.
        return_all_beams: Whether to return all beams, best first, instead of only the best one. If
            so, every field has an axis of `beam_width` after the batch. A beam without a sequence
            has length 0 and the most negative float32 as its log-probability.
        return_attention_scores: Whether to return the weights of every step.

    Returns:
        A named tuple `Pointed`: indices `(batch, L)` int32, numbered as a call's targets,
        including 0 for the end, then -1; lengths `(batch,)` int32, the number of indices that are
        not -1; log_probabilities `(batch,)` float32, of the whole sequences; weights `(batch, L,
        Tin)`, or `(batch, L, 1 + Tin)` with `end_slot`, zero after the end; or None.

    Raises:
        ValueError: If an argument is invalid, or the layer was never called.
    """
    arguments.positive_integer("beam_width", beam_width)
    arguments.boolean("allow_repeats", allow_repeats)
    arguments.boolean("return_all_beams", return_all_beams)
    arguments.boolean("return_attention_scores", return_attention_scores)
    symbolic = {"memory": memory, "points": points, "memory_mask": memory_mask}
    check_not_symbolic("decode", **symbolic, initial_state=initial_state, max_length=max_length)
    points = memory if points is None else points
    _check_built_for(layer, memory, points)
    if memory_mask is None:
        memory_mask = keras_mask(memory)
    batch, elements, _ = ops.shape(memory)
    columns = elements + (1 if layer.end_slot else 0)
    max_length = _resolve_max_length(max_length, allow_repeats, columns)
    prepared = layer.prepare(memory, points, memory_mask)
    visible = combine(ops.ones((batch, elements), "bool"), prepared.mask)
    state = {"cell": layer.get_initial_state(batch, initial_state), "visible": visible}

    def step(tokens, state, memory):
        visible = state["visible"]
        if not allow_repeats:
            unvisited = visited(ops.expand_dims(tokens, 1) - 1, ops.shape(visible)[1])
            visible = combine(visible, ops.squeeze(unvisited, 1))
        inputs = ops.squeeze(gather_rows(memory.values, ops.expand_dims(tokens, 1)), 1)
        logits, cell = layer.step(inputs, state["cell"], memory, visible)
        weights = ops.exp(logits) if return_attention_scores else None
        logits = ops.where(logits > MASKED_SCORE, logits, float("-inf"))
        if not layer.end_slot:
            # The search needs an end token: it is possible only when no element is left.
            end = ops.where(ops.any(visible, axis=-1, keepdims=True), float("-inf"), 0.0)
            logits = ops.concatenate([ops.cast(end, logits.dtype), logits], axis=-1)
        return logits, {"cell": cell, "visible": visible}, weights

    search = greedy if beam_width == 1 else beam_search
    decoded = search(
        step,
        state,
        start_token=BEGIN,
        end_token=END,
        max_length=max_length,
        memory=prepared._replace(mask=None),  # the mask is part of the state
        memory_mask=ops.ones((batch, columns), "bool") if return_attention_scores else None,
        pad_token=-1 if layer.end_slot else END,
        **({} if search is greedy else {"beam_width": beam_width}),
    )
    indices = decoded.tokens if layer.end_slot else decoded.tokens - 1
    lengths = ops.sum(ops.cast(indices >= 0, "int32"), axis=-1)
    pointed = Pointed(indices, lengths, decoded.scores, decoded.alignments)
    if return_all_beams == (search is beam_search):
        return pointed
    # Greedy search has no beam axis and beam search always has one: add it or take the best beam.
    change_axes = (lambda x: x[:, None]) if return_all_beams else (lambda x: x[:, 0])
    return Pointed(*(None if x is None else change_axes(x) for x in pointed))


def _resolve_max_length(max_length, allow_repeats, columns):
    """Return `max_length`, or the number of columns if it is None and repeats are not allowed."""
    if max_length is not None:
        return max_length
    if allow_repeats:
        raise ValueError(
            "Expected `max_length` to be passed if repeats are allowed. "
            "Received: max_length=None, allow_repeats=True"
        )
    return columns


def _check_built_for(layer, memory, points):
    """Raise a ValueError if the layer is not built, or built for other widths."""
    for name, tensor in (("memory", memory), ("points", points)):
        if not hasattr(tensor, "shape"):
            raise ValueError(f"Expected `{name}` to be a tensor. Received: {name}={tensor!r}")
    if not layer.built:
        raise ValueError(
            f"Expected a layer that was called before decoding. Received: {layer.name}, not built"
        )
    check_shapes((None, 1), memory.shape, points.shape)
    widths = layer.score.key_kernel.shape[0], layer.input_width
    if (memory.shape[-1], points.shape[-1]) != widths:
        raise ValueError(
            f"Expected `memory` (batch, Tin, {widths[0]}) and `points` (batch, Tin, {widths[1]}), "
            "the widths that the layer was built with; if `points` is None, the memory is used. "
            f"Received: memory {tuple(memory.shape)}, points {tuple(points.shape)}"
        )
