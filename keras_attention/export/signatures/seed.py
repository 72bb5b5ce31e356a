"""Signatures that sample, with a seed for each row that the client sends."""

import functools
from collections.abc import Callable
from typing import Any

import keras

from keras_attention.export.checks.state import SEED_GENERATOR_STATE
from keras_attention.export.signatures.reference import (
    CheckedFunction,
    get_lengths,
    get_reference,
)
from keras_attention.export.signatures.signature import SignatureParts, as_signature
from keras_attention.export.signatures.spec import BATCH, Spec
from keras_attention.types import Tensor


def with_seed(
    signature: keras.Model | SignatureParts,
) -> tuple[Callable, list[Spec], list]:
    """Return a signature whose random numbers depend only on an additional input, `seed`.

    The same row with the same seed gets the same answer, independent of earlier requests and of the
    other rows in the batch. Different seeds give independent samples. (Without this function, a
    `keras.random.SeedGenerator` in a served graph starts from the same state whenever the server
    starts, and every request changes the random numbers of the next request.)

    Args:
        signature: A Functional or Sequential model, or `(function, specs, resources)` as in
            `keras_attention.export.saved_model`, with inputs and outputs `(batch, ...)`. It must
            sample with `keras.random` and `keras.random.SeedGenerator`s that belong to the model or
            to the resources (layers, models or generators). It must not sample inside a loop; draw
            the random numbers before the loop. A model that is passed directly runs with
            `training=False`; if it samples only in training, pass
            `(lambda x: model(x, training=True), model.inputs, [model])`.

    Returns:
        `(function, specs, resources)` for `keras_attention.export.saved_model`, with the additional
        input `seed`, int32 `(batch, 2)`: any two numbers for each row. Rows are computed one after
        the other, so a batch takes as long as its rows take separately. For an empty batch the
        function is not run, and output dimensions without a static size are 0.

    Raises:
        ValueError: If there is no generator that could use a seed. During the export, if the
            signature samples inside a loop, or if an output has no batch dimension.

    Example:
    >>> import tempfile
    >>> states, pixels = keras.Input((3,), name="states"), keras.Input((49, 16), name="pixels")
    >>> attend = keras_attention.HardAttention(expectation_rate=0.0)
    >>> model = keras.Model([states, pixels], attend([states, pixels]))
    >>> def sample(states, pixels):
    ...     return {"context": model([states, pixels], training=True)}
    >>> path = keras_attention.export.saved_model(
    ...     model,
    ...     tempfile.mkdtemp(),
    ...     {"sample": keras_attention.export.with_seed((sample, model.inputs, [model]))},
    ... )
    """
    parsed = as_signature("with_seed", signature)
    states = [state for holder in parsed.resources for state in _find_generator_states(holder)]
    if not states:
        raise ValueError(
            "Expected a model, or resources, with a keras.random.SeedGenerator. "
            f"Received: resources={parsed.resources}"
        )
    batched = [spec.name for spec in parsed.inputs if BATCH in spec.shape[:1]]
    specs = [*parsed.inputs, Spec("seed", (BATCH, 2), "int32")]

    def serve(**tensors: Tensor) -> dict[str, Tensor]:
        import tensorflow as tf

        @tf.function
        def answer(row: dict[str, Tensor]) -> dict[str, Tensor]:
            inputs = {**tensors, **{name: row[name][None] for name in batched}}
            del inputs["seed"]
            call = functools.partial(parsed.compute_unchecked, **inputs)
            outputs = _call_with_seed(call, states, row["seed"])
            return {name: _remove_batch_axis(name, output) for name, output in outputs.items()}

        rows = {name: tensors[name] for name in [*batched, "seed"]}
        row = {name: tf.TensorSpec(x.shape[1:], x.dtype) for name, x in rows.items()}
        outputs = answer.get_concrete_function(row).structured_outputs
        output_specs = tf.nest.map_structure(lambda x: tf.TensorSpec(x.shape, x.dtype), outputs)
        # map_fn cannot stack zero rows whose sizes are unknown until they are computed.
        return tf.cond(
            tf.shape(tensors["seed"])[0] > 0,
            lambda: tf.map_fn(answer, rows, fn_output_signature=output_specs),
            lambda: {name: _make_empty_batch(spec) for name, spec in output_specs.items()},
        )

    def compute_reference(**tensors: Tensor) -> dict[str, Tensor]:
        import tensorflow as tf

        if not len(tensors["seed"]):
            return serve(**tensors)
        reference = parsed._replace(function=get_reference(parsed.function))
        rows = []
        for index, seed in enumerate(tensors["seed"]):
            inputs = {**tensors, **{name: tensors[name][index : index + 1] for name in batched}}
            del inputs["seed"]
            call = functools.partial(reference.compute_unchecked, **inputs)
            rows.append(_call_with_seed(call, states, seed))
        return {name: tf.concat([row[name] for row in rows], 0) for name in rows[0]}

    resources = [
        resource
        for resource in parsed.resources
        if not isinstance(resource, keras.random.SeedGenerator)
    ]
    function = CheckedFunction(serve, compute_reference, get_lengths(parsed.function))
    return function, specs, resources


def _find_generator_states(holder: Any) -> list:
    """Return an object's seed generator states, recognized by the name that Keras gives them."""
    if isinstance(holder, keras.random.SeedGenerator):
        return [holder.state]
    variables = getattr(holder, "variables", [])
    return [variable for variable in variables if variable.name == SEED_GENERATOR_STATE]


def _call_with_seed(
    function: Callable[[], dict[str, Tensor]], states: list, seed: Tensor
) -> dict[str, Tensor]:
    """Call the function with generator states that are derived from the seed."""
    import tensorflow as tf

    # The states are random, not consecutive: a generator increments its state with each use, so
    # generators with consecutive states would repeat each other's random numbers.
    start_states = tf.random.stateless_uniform(
        (len(states), 2),
        seed,
        minval=None,  # pyright: ignore[reportArgumentType] # None = the dtype's whole range.
        maxval=None,
        dtype="uint32",
    )
    mapping = list(zip(states, tf.unstack(start_states), strict=True))
    scope = keras.StatelessScope(state_mapping=mapping)
    with scope:
        outputs = function()
    for state in states if not tf.executing_eagerly() else ():
        if scope.get_current_value(state).graph is not start_states.graph:
            raise ValueError(
                "Expected random numbers to be drawn outside of loops, because every step of a "
                f"loop would draw the same ones. Received: a loop that uses {state.path}"
            )
    return outputs


def _make_empty_batch(spec) -> Tensor:
    """Return a batch of size 0; unknown dimensions of the row's tf.TensorSpec become 0."""
    import tensorflow as tf

    return tf.zeros([0, *(size or 0 for size in spec.shape)], spec.dtype)


def _remove_batch_axis(name: str, output: Tensor) -> Tensor:
    """Remove the batch axis, of size 1, from an output."""
    if len(output.shape) == 0 or output.shape[0] not in (1, None):
        raise ValueError(f"Expected output {name!r} to be (batch, ...). Received: {output.shape}")
    return output[0]
