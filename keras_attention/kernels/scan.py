"""A loop over time that is differentiable under XLA on every backend."""

from collections.abc import Callable

import keras
from keras import ops, tree

from keras_attention.types import Nest


def scan(step: Callable, carry: Nest, inputs: Nest, dtypes: Nest) -> tuple[Nest, Nest]:
    """Run `carry, outputs = step(carry, inputs[t])` for every t.

    On TensorFlow, `keras.ops.scan` requires outputs of the carry's shape and has no gradient under
    XLA. A while loop whose arrays and number of iterations are fixed in advance has neither
    limitation.

    Args:
        step: Function `(carry, inputs of one step) -> (carry, outputs of one step)`.
        carry: Nest of tensors whose shapes and dtypes stay the same.
        inputs: Nest of tensors `(steps, ...)`.
        dtypes: Nest of the outputs' dtypes, as strings.

    Returns:
        The last carry, and the nest of outputs, each `(steps, ...)`.
    """
    if keras.backend.backend() == "tensorflow":
        return _tensorflow_scan(step, carry, inputs, dtypes)
    return ops.scan(step, carry, inputs)


def _tensorflow_scan(step, carry, inputs, dtypes):
    import tensorflow as tf

    sequences = [tf.convert_to_tensor(x) for x in tree.flatten(inputs)]
    steps = tf.shape(sequences[0])[0]
    sources = [
        tf.TensorArray(x.dtype, steps, element_shape=x.shape[1:]).unstack(x) for x in sequences
    ]
    results = [tf.TensorArray(dtype, steps) for dtype in tree.flatten(dtypes)]

    def body(t, carry, results):
        step_inputs = tree.pack_sequence_as(inputs, [source.read(t) for source in sources])
        next_carry, outputs = step(carry, step_inputs)
        for new, old in zip(tree.flatten(next_carry), tree.flatten(carry), strict=True):
            new.set_shape(old.shape)  # the loop rejects a carry with a less specific static shape
        results = [r.write(t, x) for r, x in zip(results, tree.flatten(outputs), strict=True)]
        return t + 1, next_carry, results

    _, carry, results = tf.while_loop(
        lambda t, *_: t < steps, body, (tf.constant(0), carry, results), maximum_iterations=steps
    )
    return carry, tree.pack_sequence_as(dtypes, [result.stack() for result in results])
