"""Signatures with an input for sequence lengths, which mask the padding that a server adds."""

import numbers
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np

from keras_attention.arguments import is_integer, is_real
from keras_attention.export.signatures.input_checks import assert_true, with_dependencies
from keras_attention.export.signatures.reference import (
    CheckedFunction,
    get_lengths,
    get_reference,
)
from keras_attention.export.signatures.signature import SignatureParts, as_signature
from keras_attention.export.signatures.spec import Spec
from keras_attention.types import Tensor


def with_lengths(
    signature: keras.Model | SignatureParts,
    sequences: Mapping[str, Any],
) -> tuple[Callable, list[Spec], list]:
    """Return a signature that takes sequence lengths instead of a padding value or a mask.

    A server that batches requests of different lengths (`pad_variable_length_inputs`) pads the
    shorter ones with the first element of their tensor: with their first word, or with True in a
    bool mask. If the model recognizes padding by id 0 or by a mask, its answer then depends on the
    other requests in the batch. With lengths it does not, because the graph replaces everything
    beyond a sequence's end before it calls the model.

    Args:
        signature: A Functional or Sequential model, or `(function, specs)` or `(function, specs,
            resources)` as in `keras_attention.export.saved_model`.
        sequences: Dict from the name of each sequence input `(batch, T, ...)` to its padding value
            or to the name of its mask. The padding value is the one by which the function
            recognizes padding: 0 for ids with `mask_zero=True`, or the `mask_value` of
            `keras.layers.Masking`. The mask is a bool input `(batch, T)`: it is then computed from
            the lengths and is no longer an input, and masked elements of the sequence become zeros
            (or empty strings). The first dimension may have a name other than "batch", or a fixed
            size.

    Returns:
        `(function, specs, resources)` for `keras_attention.export.saved_model`. Each sequence has
        an int32 input `(batch,)` for its lengths, from 0 to T; the graph rejects other values. This
        input is named "lengths" if there is one sequence, otherwise by the sequence's name with
        "_lengths" appended. A request may be padded with any finite numbers and valid ids:
        `keras_attention.export.saved_model` tries this and refuses a model whose answer depends on
        the padding, such as one whose `Embedding` lacks `mask_zero=True`, or on the lengths of
        other rows in a batch. The result can be passed to `keras_attention.export.with_seed`.
        Outputs with a time axis are as long as the padded request; a client truncates them to the
        length of its own request.

    Raises:
        ValueError: If an argument is not as described.

    Example:
    >>> import tempfile
    >>> words = keras.Input((None,), dtype="int32", name="words")
    >>> embedded = keras.layers.Embedding(7, 2, mask_zero=True)(words)
    >>> model = keras.Model(words, keras_attention.AttentionPooling()(embedded))
    >>> signature = keras_attention.export.with_lengths(model, {"words": 0})
    >>> path = keras_attention.export.saved_model(
    ...     model, tempfile.mkdtemp(), {"serving_default": signature})
    >>> inputs = {"words": np.int32([[5, 3, 5, 5]]), "lengths": np.int32([2])}
    >>> answer = keras_attention.export.run_in_c_loader(path, "serving_default", inputs)
    >>> np.allclose(answer["output"], model(np.int32([[5, 3]])), atol=1e-6)
    True
    """
    parsed = as_signature("with_lengths", signature)
    inputs = {spec.name: spec for spec in parsed.inputs}
    _check_sequences(inputs, sequences)
    masks = {name: value for name, value in sequences.items() if _is_input_name(value, inputs)}
    lengths = {name: "lengths" if len(sequences) == 1 else f"{name}_lengths" for name in sequences}

    def serve(**tensors: Tensor) -> Any:
        for name, length in lengths.items():
            sequence, mask = _mask_by_length(name, tensors[name], length, tensors.pop(length))
            if name in masks:
                tensors[masks[name]] = mask
            padding = None if name in masks else sequences[name]
            tensors[name] = _fill_padding(sequence, mask, padding)
        return parsed.function(**tensors)

    def compute_reference(**tensors: Tensor) -> Any:
        for name, length in lengths.items():
            padding = None if name in masks else sequences[name]
            sequence, mask = _fill_array(tensors[name], tensors.pop(length), padding)
            if name in masks:
                tensors[masks[name]] = mask
            tensors[name] = sequence
        return get_reference(parsed.function)(**tensors)

    remaining = [spec for spec in parsed.inputs if spec.name not in masks.values()]
    # The first dimension must equal the sequence's, because lengths of shape (1,) would broadcast
    # to all rows.
    added = [Spec(length, inputs[name].shape[:1], "int32") for name, length in lengths.items()]
    all_lengths = {**get_lengths(parsed.function), **lengths}
    function = CheckedFunction(serve, compute_reference, all_lengths)
    return function, [*remaining, *added], parsed.resources


def _check_sequences(inputs: Mapping[str, Spec], sequences: Mapping[str, Any]) -> None:
    """Raise a ValueError unless `sequences` maps sequence inputs to padding values or masks."""
    if not isinstance(sequences, dict) or not sequences:
        raise ValueError(
            "Expected `sequences` to be a dict of a sequence's name to its padding value or the "
            f"name of its mask. Received: sequences={sequences!r}"
        )
    for name, value in sequences.items():
        if name not in inputs or len(inputs[name].shape) < 2:
            raise ValueError(
                "Expected the names in `sequences` to be names of inputs of shape (batch, T, ...), "
                f"out of {list(inputs)}. Received: sequences={sequences!r}"
            )
        if _is_input_name(value, inputs):
            is_valid = inputs[value].dtype == "bool" and len(inputs[value].shape) == 2
        else:
            is_valid = _is_representable(value, inputs[name].dtype)
        if not is_valid:
            raise ValueError(
                f"Expected `sequences[{name!r}]` to be a padding value of {inputs[name].dtype}, or "
                f"the name of a bool input (batch, T). Received: sequences={sequences!r}"
            )


def _is_input_name(value: Any, inputs: Mapping[str, Spec]) -> bool:
    """Return True if a value of `sequences` is the name of an input, not a padding value."""
    return isinstance(value, str) and value in inputs


def _is_representable(value: Any, dtype_name: str) -> bool:
    """Return True if the dtype can represent the value (rounded, if it is a float dtype)."""
    import tensorflow as tf

    dtype = tf.as_dtype(dtype_name)
    if dtype == tf.string:
        return isinstance(value, str | bytes)
    if dtype.is_bool:
        return isinstance(value, numbers.Integral) and value in (False, True)
    is_number, to_python = (is_integer, int) if dtype.is_integer else (is_real, float)
    real = dtype.real_dtype
    return is_number(value) and to_python(real.min) <= value <= to_python(real.max)


def _mask_by_length(
    name: str, sequence: Tensor, length_name: str, lengths: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the sequence and its bool mask `(batch, T)`, with a check of the lengths."""
    import tensorflow as tf

    max_length = tf.shape(sequence)[1]
    is_valid = tf.reduce_all(tf.logical_and(lengths >= 0, lengths <= max_length))
    message = f"Expected `{length_name}` from 0 to the length of `{name}`. Received:"
    check = assert_true(is_valid, message, lengths, "where the length is", max_length)
    sequence, lengths = with_dependencies([check], [sequence, lengths])
    return sequence, tf.sequence_mask(lengths, max_length)


def _fill_padding(sequence: Tensor, mask: Tensor, padding: Any) -> Tensor:
    """Replace masked elements with the padding value; None stands for the dtype's zero."""
    import tensorflow as tf

    trailing = [1] * (len(sequence.shape) - 2)
    mask = tf.reshape(mask, [*tf.unstack(tf.shape(mask)), *trailing])
    filling = tf.zeros_like(sequence)
    if padding is not None:
        filling = tf.fill(tf.shape(sequence), tf.cast(padding, sequence.dtype))
    return tf.where(mask, sequence, filling)


def _fill_array(sequence: Tensor, lengths: Tensor, padding: Any) -> tuple[Tensor, Tensor]:
    """Do in NumPy, for the self-check, what `_mask_by_length` and `_fill_padding` do in a graph."""
    import tensorflow as tf

    filled = np.array(sequence.numpy())
    mask = np.arange(filled.shape[1]) < lengths.numpy()[:, None]
    zero = b"" if filled.dtype == object else 0
    filled[~mask] = zero if padding is None else padding
    return tf.constant(filled, sequence.dtype), tf.constant(mask)
