"""A pointer decoder's own loop: what it points to is what it is fed next."""

from typing import Any, NamedTuple

import keras
from keras import ops

from keras_attention import arguments
from keras_attention.decoding import beam_search, greedy
from keras_attention.layers.pointer.check_call import check_shapes
from keras_attention.layers.pointer.pointing import rows_of
from keras_attention.mask import combine, visited
from keras_attention.normalize.masked import MASKED_SCORE

# Inside of the loop "tokens" are rows of `with_begin`'s table: 0 begins when it is fed, and ends
# when it is pointed to; j + 1 is element j.
BEGIN = END = 0


class Pointed(NamedTuple):
    """What a `PointerDecoder` pointed to. With all beams, every field has an axis after the batch.

    Attributes:
        indices: `(batch, L)` int32; -1 after the end.
        lengths: `(batch,)` int32: how many indices there are, that of an end slot included.
        log_probabilities: `(batch,)` float32, of the whole sequences.
        weights: `(batch, L, columns)` float32, zero after the end; or None.
    """

    indices: Any
    lengths: Any
    log_probabilities: Any
    weights: Any


def decode(
    layer,
    memory,
    points=None,
    memory_mask=None,
    initial_state=None,
    max_length=None,
    beam_width=1,
    allow_repeats=False,
    return_all_beams=False,
    return_attention_scores=False,
):
    """Points by itself: each step is fed the element that the one before pointed to.

    One loop inside the graph, greedy or by `decoding.beam_search`. A sequence ends with the
    end, if there is an `end_slot`, and where there is nothing left to point to: without
    repeats and without an end, each row has all of its elements, in some order. Until one of
    these, it goes on to `max_length`. A polygon that closes with its first point needs
    `allow_repeats=True`.

    Args:
        memory: `(batch, Tin, Dm)`.
        points: The elements' own vectors `(batch, Tin, D)`; None = the memory.
        memory_mask: Bool `(batch, Tin)`; None = the memory's Keras mask, if it has one.
        initial_state: The cell's states, nested in any way; None lets the cell choose.
        max_length: Int or int scalar tensor, L: the most indices to give, the end's included.
            None = Tin (1 + Tin with `end_slot`), where repeats are not allowed; in a graph of
            unknown Tin, what it is at run time.
        beam_width: Int, how many beginnings are kept at every step; 1 is greedy.
        allow_repeats: Whether an element can be pointed to again. Else the probabilities are
            those among the elements left (and the end), as in a call with `mask_visited`.
        return_all_beams: Whether every field has an axis of `beam_width` after the batch,
            best first; else there is only the best. A place for which there is no sequence has
            length 0 and the lowest float32 as its log-probability.
        return_attention_scores: Whether to give the weights of every step.

    Returns:
        A named tuple `Pointed`: indices `(batch, L)` int32 as in a call's targets, the end's
        0 included, then -1; lengths `(batch,)` int32, of the indices that are not -1;
        log_probabilities `(batch,)` float32, of the whole sequences; weights `(batch, L,
        Tin)`, or `(batch, L, 1 + Tin)` with `end_slot`, zero after the end; or None.

    Raises:
        ValueError: If an argument is not one of these, or the layer was never called.
    """
    arguments.positive_integer("beam_width", beam_width)
    arguments.boolean("allow_repeats", allow_repeats)
    arguments.boolean("return_all_beams", return_all_beams)
    arguments.boolean("return_attention_scores", return_attention_scores)
    points = memory if points is None else points
    _check(layer, memory, points)
    if memory_mask is None:
        memory_mask = getattr(memory, "_keras_mask", None)
    batch, elements, _ = ops.shape(memory)
    columns = elements + (1 if layer.end_slot else 0)
    max_length = _longest(max_length, allow_repeats, columns)
    prepared = layer.prepare(memory, points, memory_mask)
    visible = combine(ops.ones((batch, elements), "bool"), prepared.mask)
    state = {"cell": layer.get_initial_state(batch, initial_state), "visible": visible}

    def step(tokens, state, memory):
        visible = state["visible"]
        if not allow_repeats:
            just = visited(ops.expand_dims(tokens, 1) - 1, ops.shape(visible)[1])
            visible = combine(visible, ops.squeeze(just, 1))
        inputs = ops.squeeze(rows_of(memory.values, ops.expand_dims(tokens, 1)), 1)
        found, cell = layer.step(inputs, state["cell"], memory, visible)
        logits = ops.where(found > MASKED_SCORE, found, float("-inf"))
        if not layer.end_slot:  # then the end is where nothing is left
            end = ops.where(ops.any(visible, axis=-1, keepdims=True), float("-inf"), 0.0)
            logits = ops.concatenate([ops.cast(end, logits.dtype), logits], axis=-1)
        weights = ops.exp(found) if return_attention_scores else None
        return logits, {"cell": cell, "visible": visible}, weights

    search = greedy if beam_width == 1 else beam_search
    found = search(
        step,
        state,
        start_token=BEGIN,
        end_token=END,
        max_length=max_length,
        memory=prepared._replace(mask=None),  # the state says what is visible
        memory_mask=ops.ones((batch, columns), "bool") if return_attention_scores else None,
        pad_token=-1 if layer.end_slot else END,
        **({} if search is greedy else {"beam_width": beam_width}),
    )
    indices = found.tokens if layer.end_slot else found.tokens - 1
    lengths = ops.sum(ops.cast(indices >= 0, "int32"), axis=-1)
    pointed = Pointed(indices, lengths, found.scores, found.alignments)
    if return_all_beams == (search is beam_search):
        return pointed
    one = (lambda x: x[:, None]) if return_all_beams else (lambda x: x[:, 0])
    return Pointed(*(None if x is None else one(x) for x in pointed))


def _longest(max_length, allow_repeats, columns):
    """`max_length`, or what it is by itself."""
    if max_length is not None:
        return max_length
    if allow_repeats:
        raise ValueError(
            "Expected a `max_length` where repeats are allowed. "
            "Received: max_length=None, allow_repeats=True"
        )
    return columns


def _check(layer, memory, points):
    """Refuses what the layer was not built for."""
    for name, given in (("memory", memory), ("points", points)):
        if not hasattr(given, "shape") or isinstance(given, keras.KerasTensor):
            raise ValueError(
                f"Expected `{name}` to be a tensor; in a functional model, decode in a layer or a "
                f"model of your own. Received: {name}={given!r}"
            )
    if not layer.built:
        raise ValueError(
            f"Expected a layer that was called before it decodes. Received: {layer.name}, not built"
        )
    check_shapes((None, 1), memory.shape, points.shape)
    widths = layer.score.key_kernel.shape[0], layer.input_width
    if (memory.shape[-1], points.shape[-1]) != widths:
        raise ValueError(
            f"Expected `memory` (batch, Tin, {widths[0]}) and `points` (batch, Tin, {widths[1]}), "
            "as the layer was called; points of None are the memory. "
            f"Received: memory {tuple(memory.shape)}, points {tuple(points.shape)}"
        )
