"""Signatures with an input for the sequences' lengths, which mask the padding of a server."""

import numbers
from collections.abc import Callable, Mapping
from typing import Any

import keras

from keras_attention.arguments import is_integer, is_real
from keras_attention.export.signatures.input_checks import assert_true, with_dependencies
from keras_attention.export.signatures.signature import SignatureParts, as_signature
from keras_attention.export.signatures.spec import Spec
from keras_attention.types import Tensor


def with_lengths(
    signature: keras.Model | SignatureParts,
    sequences: Mapping[str, Any],
) -> tuple[Callable, list[Spec], list]:
    """Return a signature that takes sequence lengths in place of padding or a mask.

    A server that batches requests of different lengths (`pad_variable_length_inputs`) fills the
    shorter ones with their tensor's first element: the first word again, or True in a bool
    mask. A model that finds its padding by id 0 or by a mask then gives other answers whenever
    other clients' requests are in the same batch. A signature with lengths does not: the graph
    replaces everything beyond a sequence's end before it calls the model.

    Args:
        signature: A Functional or Sequential model, or `(function, specs)` or `(function, specs,
            resources)` as in `keras_attention.export.saved_model`.
        sequences: Dict with the name of each sequence `(batch, T, ...)`. The value tells how the
            function recognizes the sequence's end: it is the padding value (0 for ids with
            `mask_zero=True`, the `mask_value` of `keras.layers.Masking`), or the name of the bool
            mask `(batch, T)`. Such a mask is computed from the lengths and is no longer an input,
            and masked elements of the sequence become zeros (empty strings). The first dimension
            may have another name than "batch", or be a number.

    Returns:
        `(function, specs, resources)` for `keras_attention.export.saved_model`. The lengths of a
        sequence are an int32 input `(batch,)` of values from 0 to T; other values are refused in
        the graph. It is named "lengths" if there is one sequence, else the sequence's name with
        "_lengths" appended. A request may be padded with any finite numbers and valid ids.
        Outputs over time are as long as the padded request: a client cuts its answer at its own
        length.

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
    masks = {name: end for name, end in sequences.items() if isinstance(end, str) and end in inputs}
    lengths = {name: "lengths" if len(sequences) == 1 else f"{name}_lengths" for name in sequences}

    def serve(**tensors: Tensor) -> Any:
        for name, length in lengths.items():
            sequence, is_real = _mask_by_length(name, tensors[name], length, tensors.pop(length))
            if name in masks:
                tensors[masks[name]] = is_real
            padding = None if name in masks else sequences[name]
            tensors[name] = _fill_padding(sequence, is_real, padding)
        return parsed.function(**tensors)

    remaining = [spec for spec in parsed.inputs if spec.name not in masks.values()]
    # The first dimension is the sequence's own; a size of 1 would broadcast one length to all rows.
    added = [Spec(length, inputs[name].shape[:1], "int32") for name, length in lengths.items()]
    return serve, [*remaining, *added], parsed.resources


def _check_sequences(inputs: Mapping[str, Spec], sequences: Mapping[str, Any]) -> None:
    """Refuse names that are not sequences, and values that are neither padding nor masks."""
    if not isinstance(sequences, dict) or not sequences:
        raise ValueError(
            "Expected `sequences` to be a dict of a sequence's name to its padding value or the "
            f"name of its mask. Received: sequences={sequences!r}"
        )
    for name, end in sequences.items():
        if name not in inputs or len(inputs[name].shape) < 2:
            raise ValueError(
                "Expected the names in `sequences` to be inputs of shape (batch, T, ...), of "
                f"{list(inputs)}. Received: sequences={sequences!r}"
            )
        if isinstance(end, str) and end in inputs:
            is_end = inputs[end].dtype == "bool" and len(inputs[end].shape) == 2
        else:
            is_end = _is_value_of(inputs[name].dtype, end)
        if not is_end:
            raise ValueError(
                f"Expected `sequences[{name!r}]` to be a padding value of {inputs[name].dtype}, or "
                f"the name of a bool input (batch, T). Received: sequences={sequences!r}"
            )


def _is_value_of(dtype_name: str, padding: Any) -> bool:
    """Return True if the dtype can hold the value (rounded, in a floating-point dtype)."""
    import tensorflow as tf

    dtype = tf.as_dtype(dtype_name)
    if dtype == tf.string:
        return isinstance(padding, str | bytes)
    if dtype.is_bool:
        return isinstance(padding, numbers.Integral) and padding in (False, True)
    is_number, to_python = (is_integer, int) if dtype.is_integer else (is_real, float)
    real = dtype.real_dtype
    return is_number(padding) and to_python(real.min) <= padding <= to_python(real.max)


def _mask_by_length(
    name: str, sequence: Tensor, length_name: str, lengths: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the sequence and the mask `(batch, T)` of its real elements; check the lengths."""
    import tensorflow as tf

    max_length = tf.shape(sequence)[1]
    is_valid = tf.reduce_all(tf.logical_and(lengths >= 0, lengths <= max_length))
    message = f"Expected `{length_name}` from 0 to the length of `{name}`. Received:"
    check = assert_true(is_valid, message, lengths, "where the length is", max_length)
    sequence, lengths = with_dependencies([check], [sequence, lengths])
    return sequence, tf.sequence_mask(lengths, max_length)


def _fill_padding(sequence: Tensor, is_real: Tensor, padding: Any) -> Tensor:
    """Replace masked elements with the padding value; None stands for the dtype's zero."""
    import tensorflow as tf

    trailing = [1] * (len(sequence.shape) - 2)
    is_real = tf.reshape(is_real, [*tf.unstack(tf.shape(is_real)), *trailing])
    filling = tf.zeros_like(sequence)
    if padding is not None:
        filling = tf.fill(tf.shape(sequence), tf.cast(padding, sequence.dtype))
    return tf.where(is_real, sequence, filling)
