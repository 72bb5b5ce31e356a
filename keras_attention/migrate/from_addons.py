"""Convert the attention mechanisms and the `AttentionWrapper` of TensorFlow Addons."""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import keras
import numpy as np

from keras_attention import arguments
from keras_attention.layers.query_value.additive_attention import AdditiveAttention
from keras_attention.layers.query_value.attention import Attention
from keras_attention.layers.query_value.base import QueryValueAttention
from keras_attention.layers.query_value.luong_attention import LuongAttention
from keras_attention.layers.query_value.monotonic_attention import MonotonicAttention
from keras_attention.layers.recurrent.attention_decoder import AttentionDecoder
from keras_attention.layers.recurrent.cell_adapter import check_cell
from keras_attention.migrate.assign_weights import assign_weights
from keras_attention.migrate.linear_attention import (
    LinearAttention,
    LinearMonotonicAttention,
    LinearOutput,
)
from keras_attention.migrate.named_weights import NamedWeights
from keras_attention.score import AdditiveScore, GeneralScore, Score
from keras_attention.types import Layer, Nest

# Names in a checkpoint, and what they are in the names of variables or of other mechanisms.
PATTERNS = {
    "cell": r"\w*cell(_\d+)?",  # "lstm_cell_1/kernel"
    "attention_layer": r"attention_layer(s/\d+)?",  # "attention_layers/0/kernel"
    "attention_g": "attention_g|scale_weight",
}
MODES = ("parallel", "recursive", "hard")


def attention_decoder_from_addons(
    weights: Mapping[str, Any] | Nest,
    cell: Layer,
    prefix: str = "",
    probability_fn: Literal["softmax", "hardmax"] = "softmax",
    mode: Literal["parallel", "recursive", "hard"] = "parallel",
    sigmoid_noise: float = 0.0,
    output_attention: bool = True,
    dtype: Any = None,
) -> AttentionDecoder:
    """Return an `AttentionDecoder` with the weights of an `AttentionWrapper`.

    The mechanism follows from the weights: `BahdanauAttention`, `LuongAttention`,
    `BahdanauMonotonicAttention` or `LuongMonotonicAttention`, with `normalize` or `scale` if their
    weights are there, and with an attention layer if its kernel is there. The attention layer is
    linear, as with `attention_layer_size`.

    Args:
        weights: A reader of `tf.train.load_checkpoint(path)`, or a dict of names and arrays, such
            as `{v.name: v.numpy() for v in wrapper.variables}`. Only the ends of the names count:
            "memory_layer/kernel", "query_layer/kernel", "attention_v", "attention_g",
            "attention_b", "attention_score_bias", "attention_layer/kernel", "cell/kernel",
            "cell/recurrent_kernel", "cell/bias"; of a stack of cells, "cells/0/kernel" and so on.
        cell: The Keras cell that the wrapper wraps, created as there, and not yet built: a
            `GRUCell`, an `LSTMCell`, a `StackedRNNCells` of them, or a cell of your own whose
            weights have the same names as there.
        prefix: Only names that start with it are used, such as "decoder/cell/" if the encoder's
            names have the same ends.
        probability_fn: That of `BahdanauAttention` and `LuongAttention`.
        mode: That of the monotonic mechanisms. "hard" applies outside of training; in training,
            the expected weights are used.
        sigmoid_noise: That of the monotonic mechanisms; here there is noise in training only.
        output_attention: That of the `AttentionWrapper`.
        dtype: Dtype or dtype policy of the new layers; None = Keras's.

    Returns:
        A built decoder with `attend="after"` and `input_feeding=True`. Pass `memory_mask` in its
        call instead of `memory_sequence_length`.

    Raises:
        ValueError: If an argument is not as described, if a name is missing, or if several names
            have the same end.

    Example:
    >>> rng = np.random.default_rng(0)
    >>> weights = {
    ...     "wrapper/LuongAttention/memory_layer/kernel:0": rng.normal(size=(5, 4)),
    ...     "wrapper/lstm_cell/kernel:0": rng.normal(size=(3 + 5, 4 * 4)),
    ...     "wrapper/lstm_cell/recurrent_kernel:0": rng.normal(size=(4, 4 * 4)),
    ...     "wrapper/lstm_cell/bias:0": rng.normal(size=(4 * 4)),
    ... }
    >>> decoder = keras_attention.migrate.attention_decoder_from_addons(
    ...     weights, keras.layers.LSTMCell(4))
    >>> target, memory = np.ones((2, 6, 3), "float32"), np.ones((2, 7, 5), "float32")
    >>> decoder(target, memory).shape
    TensorShape([2, 6, 5])

    Differs from TensorFlow Addons: see docs/from_tensorflow_addons.md.
    """
    check_cell("cell", cell)
    if cell.built:
        raise ValueError(
            "Expected a `cell` that is not yet built, because its weights are those of `weights`. "
            f"Received: cell={cell!r}, built"
        )
    attention = attention_from_addons(weights, prefix, probability_fn, mode, sigmoid_noise, dtype)
    decoder = AttentionDecoder(
        cell,
        attention,
        attend="after",
        input_feeding=True,
        output_mode="attention" if output_attention else "cell",
        dtype=dtype,
    )
    named_weights = NamedWeights(weights, prefix, PATTERNS)
    cells = {"cell": cell}
    if isinstance(cell, keras.layers.StackedRNNCells):
        cells = {f"cells/{i}": inner for i, inner in enumerate(cell.cells)}
    first_kernel = named_weights.get(f"{next(iter(cells))}/kernel")
    memory_width = len(named_weights.get("memory_layer/kernel"))
    is_linear = isinstance(attention, LinearOutput)
    inputs_width = len(first_kernel) - (attention.output_units if is_linear else memory_width)
    decoder.build((None, None, inputs_width), (None, None, memory_width))
    for name, inner in cells.items():
        arrays = [named_weights.get(f"{name}/{weight.name}") for weight in inner.weights]
        assign_weights(inner, arrays)
    return decoder


def attention_from_addons(
    weights: Mapping[str, Any] | Nest,
    prefix: str = "",
    probability_fn: Literal["softmax", "hardmax"] = "softmax",
    mode: Literal["parallel", "recursive", "hard"] = "parallel",
    sigmoid_noise: float = 0.0,
    dtype: Any = None,
) -> QueryValueAttention:
    """Return the attention layer of `attention_decoder_from_addons`, without a decoder.

    Args:
        weights: As in `attention_decoder_from_addons`; weights of a cell are not needed.
        prefix: As there.
        probability_fn: As there.
        mode: As there.
        sigmoid_noise: As there.
        dtype: As there.

    Returns:
        A built `LuongAttention` or `AdditiveAttention`; an `Attention` with
        `probability_fn="hardmax"`; a `MonotonicAttention` for the monotonic mechanisms; with an
        attention layer, a `LinearAttention` or `LinearMonotonicAttention`.

    Raises:
        ValueError: As there.

    Example:
    >>> weights = {
    ...     "query_layer/kernel": np.ones((4, 3)),
    ...     "memory_layer/kernel": np.ones((5, 3)),
    ...     "attention_v": np.ones(3),
    ... }
    >>> layer = keras_attention.migrate.attention_from_addons(weights)
    >>> layer([np.ones((1, 2, 4), "float32"), np.ones((1, 7, 5), "float32")]).shape
    TensorShape([1, 2, 5])
    """
    arguments.one_of("probability_fn", probability_fn, ("softmax", "hardmax"))
    arguments.one_of("mode", mode, MODES)
    named_weights = NamedWeights(weights, prefix, PATTERNS)
    energy_bias = named_weights.find("attention_score_bias")
    output_kernel = named_weights.find("attention_layer/kernel")
    convert = _convert_luong if named_weights.find("attention_v") is None else _convert_bahdanau
    mechanism = convert(named_weights, energy_bias is not None)
    options: dict[str, Any] = {"dtype": dtype}
    if output_kernel is not None:
        options["output_units"] = output_kernel.shape[1]
    if energy_bias is not None:
        layer_class = MonotonicAttention if output_kernel is None else LinearMonotonicAttention
        inference = "hard" if mode == "hard" else "soft"
        options |= {"noise": sigmoid_noise, "bias": float(energy_bias), "inference": inference}
        options |= mechanism.options
    elif output_kernel is None and probability_fn == "softmax":
        layer_class = mechanism.layer_class
        options |= mechanism.options
    else:
        layer_class = Attention if output_kernel is None else LinearAttention
        score = mechanism.score_class(**mechanism.options, dtype=dtype, name="score")
        options |= {"score": score, "normalize": probability_fn}
    layer = layer_class(**options)
    memory_width = len(named_weights.get("memory_layer/kernel"))
    layer.build([(None, None, mechanism.query_width), (None, None, memory_width)])
    assign_weights(layer.score, mechanism.arrays)
    if output_kernel is not None:
        layer.output_kernel.assign(output_kernel)
    return layer


class _Mechanism(NamedTuple):
    """A mechanism of Addons: its layer and score here, the arguments of both, and its weights."""

    layer_class: type[QueryValueAttention]
    score_class: type[Score]
    query_width: int
    options: dict[str, Any]
    arrays: list[np.ndarray]


def _convert_luong(named_weights: NamedWeights, is_monotonic: bool) -> _Mechanism:
    """Convert the score `g query . (key W)`, which is general, with the kernel `g W^T`.

    A monotonic layer has no scale of its own, so that its kernel is multiplied.
    """
    kernel = named_weights.get("memory_layer/kernel").T
    scale = named_weights.find("attention_g")
    options: dict[str, Any] = {"use_scale": scale is not None}
    arrays = [kernel] if scale is None else [kernel, scale]
    if is_monotonic:
        options = {"score": "general"}
        arrays = [kernel if scale is None else scale * kernel]
    return _Mechanism(LuongAttention, GeneralScore, len(kernel), options, arrays)


def _convert_bahdanau(named_weights: NamedWeights, is_monotonic: bool) -> _Mechanism:
    """Convert an additive score; with a gain it has a bias too, and in a monotonic layer always."""
    kernel = named_weights.get("query_layer/kernel")
    units = kernel.shape[1]
    gain = named_weights.find("attention_g")
    is_normalized = gain is not None
    arrays = [kernel, named_weights.get("memory_layer/kernel"), named_weights.get("attention_v")]
    if is_normalized:
        arrays += [named_weights.get("attention_b"), gain]
    elif is_monotonic:
        arrays.append(np.zeros(units))
    options = {"units": units, "normalized": is_normalized}
    options |= {"score": "additive"} if is_monotonic else {"use_bias": is_normalized}
    return _Mechanism(AdditiveAttention, AdditiveScore, len(kernel), options, arrays)
