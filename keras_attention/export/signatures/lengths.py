"""Signatures that are told how long each sequence is, and do not look at what fills up the rest."""

import numbers

from keras_attention.export.signatures.input_checks import refuse, waiting_for
from keras_attention.export.signatures.signature import as_signature
from keras_attention.export.signatures.spec import Spec


def with_lengths(signature, sequences):
    """A signature that takes each sequence's length, where the function takes padding or a mask.

    A server that batches requests of unlike lengths (`pad_variable_length_inputs`) fills the
    shorter ones up with their tensor's first element: the first word once more, True in a bool
    mask. A model that finds its padding by id 0 or by a mask then answers something else, as
    soon as other clients' requests come along. A signature with lengths does not: what lies
    behind a sequence's end is replaced, in the graph, before the model sees it.

    Args:
        signature: A Functional or Sequential model, or `(function, specs)` or `(function, specs,
            resources)` as in `keras_attention.export.saved_model`.
        sequences: Dict of the name of each sequence `(batch, T, ...)` to what tells the function
            where it ends: the value that it takes for padding (0 for ids with `mask_zero=True`,
            the `mask_value` of `keras.layers.Masking`), or the name of its bool mask `(batch, T)`,
            which then is made from the lengths and is no input any more. Behind a mask's end the
            sequence itself becomes zeros (empty strings). The first size may have another name,
            or be a number.

    Returns:
        `(function, specs, resources)` for `keras_attention.export.saved_model`. A sequence's
        length is an int32 `(batch,)` from 0 to T, "lengths" if there is one sequence, else the
        sequence's name with "_lengths" behind; others are refused in the graph. A request may be
        padded with any finite numbers and known ids; outputs over time are as long as it: a client
        cuts its answer at its own length.

    Raises:
        ValueError: If an argument is not as described.

    Example:
    >>> import tempfile
    >>> words = keras.Input((None,), dtype="int32", name="words")
    >>> read = keras.layers.Embedding(7, 2, mask_zero=True)(words)
    >>> model = keras.Model(words, keras_attention.AttentionPooling()(read))
    >>> signature = keras_attention.export.with_lengths(model, {"words": 0})
    >>> path = keras_attention.export.saved_model(
    ...     model, tempfile.mkdtemp(), {"serving_default": signature})
    >>> inputs = {"words": np.int32([[5, 3, 5, 5]]), "lengths": np.int32([2])}
    >>> answer = keras_attention.export.run_in_c_loader(path, "serving_default", inputs)
    >>> np.allclose(answer["output"], model(np.int32([[5, 3]])), atol=1e-6)
    True
    """
    told = as_signature("with_lengths", signature)
    inputs = {spec.name: spec for spec in told.inputs}
    _check(inputs, sequences)
    masks = {name: end for name, end in sequences.items() if isinstance(end, str) and end in inputs}
    lengths = {name: "lengths" if len(sequences) == 1 else f"{name}_lengths" for name in sequences}

    def serve(**tensors):
        for name, length in lengths.items():
            sequence, is_real = _behind_the_end(name, tensors[name], length, tensors.pop(length))
            if name in masks:
                tensors[masks[name]] = is_real
            tensors[name] = _filled(sequence, is_real, None if name in masks else sequences[name])
        return told.function(**tensors)

    taken = [spec for spec in told.inputs if spec.name not in masks.values()]
    # As many as the sequence has: one alone would be the length of all.
    added = [Spec(length, inputs[name].shape[:1], "int32") for name, length in lengths.items()]
    return serve, [*taken, *added], told.resources


def _check(inputs, sequences):
    """Refuses names that are no sequences, ends that are no masks, and lengths there already."""
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
            is_end = _is_value(end, inputs[name].dtype)
        if not is_end:
            raise ValueError(
                f"Expected `sequences[{name!r}]` to be a padding value of {inputs[name].dtype}, or "
                f"the name of a bool input (batch, T). Received: sequences={sequences!r}"
            )


def _is_value(padding, dtype):
    """Whether the dtype holds this value or, where it has fractions, one near it."""
    import tensorflow as tf

    dtype = tf.as_dtype(dtype)
    if dtype == tf.string:
        return isinstance(padding, str | bytes)
    if dtype.is_bool:
        return isinstance(padding, numbers.Integral) and padding in (False, True)
    kind, plain = (numbers.Integral, int) if dtype.is_integer else (numbers.Real, float)
    is_number = isinstance(padding, kind) and not isinstance(padding, bool)
    real = dtype.real_dtype
    return is_number and plain(real.min) <= padding <= plain(real.max)


def _behind_the_end(name, sequence, length_name, lengths):
    """The sequence, and which of its places are real, `(batch, T)`; refuses impossible lengths."""
    import tensorflow as tf

    most = tf.shape(sequence)[1]
    possible = tf.reduce_all(tf.logical_and(lengths >= 0, lengths <= most))
    what = f"Expected `{length_name}` from 0 to the length of `{name}`. Received:"
    check = refuse(possible, what, lengths, "where the length is", most)
    sequence, lengths = waiting_for([check], [sequence, lengths])
    return sequence, tf.sequence_mask(lengths, most)


def _filled(sequence, is_real, padding):
    """The sequence with the padding value behind its end; None is its dtype's zero."""
    import tensorflow as tf

    places = tf.reshape(is_real, [*tf.unstack(tf.shape(is_real)), *[1] * (len(sequence.shape) - 2)])
    filling = tf.zeros_like(sequence)
    if padding is not None:
        filling = tf.fill(tf.shape(sequence), tf.cast(padding, sequence.dtype))
    return tf.where(places, sequence, filling)
