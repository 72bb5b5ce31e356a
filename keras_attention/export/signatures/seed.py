"""Signatures that draw: each row by a seed of its own, which the client sends."""

import functools

import keras

from keras_attention.export.signatures.signature import as_signature
from keras_attention.export.signatures.spec import BATCH, Spec


def with_seed(signature):
    """A signature that draws random numbers by an input `seed`, and by nothing else.

    The same row with the same seed is answered in the same way, whatever a server was asked before,
    by whom, and with which rows it is batched; other seeds draw independently. (A
    `keras.random.SeedGenerator` in a served graph gives the same numbers after each start of the
    server, and what one client draws moves on what the next one gets.)

    Args:
        signature: A Functional or Sequential model, or `(function, specs, resources)` as in
            `keras_attention.export.saved_model`, of inputs and outputs `(batch, ...)`. It draws
            by `keras.random` with the `keras.random.SeedGenerator`s of the model, or of those
            layers, models and generators that are among the resources, and not inside of a loop:
            draw ahead of it. A model draws in training only: give
            `(lambda x: model(x, training=True), model.inputs, [model])`.

    Returns:
        `(function, specs, resources)` for `keras_attention.export.saved_model`, with the further
        input `seed`, int32 `(batch, 2)`, any two numbers for each row. Rows are answered one
        after the other, so a batch takes as long as its rows do alone. Without rows nothing is
        drawn: sizes of an output that are then unknown are 0.

    Raises:
        ValueError: If there is no generator to give a seed to; when it is exported, if a draw is
            inside of a loop, or an output has no batch.

    Example:
    >>> import tempfile
    >>> states, pixels = keras.Input((3,), name="states"), keras.Input((49, 16), name="pixels")
    >>> look = keras_attention.HardAttention(expectation_rate=0.0)
    >>> model = keras.Model([states, pixels], look([states, pixels]))
    >>> def draw(states, pixels):
    ...     return {"seen": model([states, pixels], training=True)}
    >>> path = keras_attention.export.saved_model(
    ...     model,
    ...     tempfile.mkdtemp(),
    ...     {"draw": keras_attention.export.with_seed((draw, model.inputs, [model]))},
    ... )
    """
    told = as_signature("with_seed", signature)
    states = [state for holder in told.resources for state in _states(holder)]
    if not states:
        raise ValueError(
            "Expected a model, or resources, with a keras.random.SeedGenerator to draw by. "
            f"Received: resources={told.resources}"
        )
    rows = [spec.name for spec in told.inputs if BATCH in spec.shape[:1]]
    specs = [*told.inputs, Spec("seed", (BATCH, 2), "int32")]

    def serve(**tensors):
        import tensorflow as tf

        @tf.function
        def answer(row):
            batches = {**tensors, **{name: row[name][None] for name in rows}}
            del batches["seed"]
            outputs = _drawn(states, row["seed"], functools.partial(told.outputs_of, **batches))
            return {name: _only_row(name, output) for name, output in outputs.items()}

        by_row = {name: tensors[name] for name in [*rows, "seed"]}
        row = {name: tf.TensorSpec(x.shape[1:], x.dtype) for name, x in by_row.items()}
        kinds = answer.get_concrete_function(row).structured_outputs
        kinds = tf.nest.map_structure(lambda x: tf.TensorSpec(x.shape, x.dtype), kinds)
        # Stacks of no rows have no sizes: map_fn fails where these are not known ahead.
        return tf.cond(
            tf.shape(tensors["seed"])[0] > 0,
            lambda: tf.map_fn(answer, by_row, fn_output_signature=kinds),
            lambda: {name: _no_rows(kind) for name, kind in kinds.items()},
        )

    kept = [one for one in told.resources if not isinstance(one, keras.random.SeedGenerator)]
    return serve, specs, kept


def _states(holder):
    """The variables of an object's generators; the names are Keras's own."""
    if isinstance(holder, keras.random.SeedGenerator):
        return [holder.state]
    variables = getattr(holder, "variables", [])
    return [one for one in variables if one.name == "seed_generator_state"]


def _drawn(states, seed, function):
    """Calls the function with its generators at states that follow from the seed."""
    import tensorflow as tf

    # Drawn, and not counted up: a generator counts up itself, and two would draw the same.
    starts = tf.random.stateless_uniform(
        (len(states), 2), seed, minval=None, maxval=None, dtype="uint32"
    )
    scope = keras.StatelessScope(state_mapping=list(zip(states, tf.unstack(starts), strict=True)))
    with scope:
        outputs = function()
    for state in states:
        if scope.get_current_value(state).graph is not starts.graph:
            raise ValueError(
                "Expected draws outside of loops, in which every step would draw the same. "
                f"Received: a loop that draws by {state.path}"
            )
    return outputs


def _no_rows(kind):
    """A batch of none, of the row's known sizes."""
    import tensorflow as tf

    return tf.zeros([0, *(size or 0 for size in kind.shape)], kind.dtype)


def _only_row(name, output):
    if len(output.shape) == 0 or output.shape[0] not in (1, None):
        raise ValueError(f"Expected output {name!r} to be (batch, ...). Received: {output.shape}")
    return output[0]
