"""A loop over time that can be differentiated under XLA on every backend."""

import keras
from keras import ops, tree


def scan(step, carry, inputs, dtypes):
    """Runs `carry, outputs = step(carry, inputs[t])` for every t.

    On TensorFlow `keras.ops.scan` wants outputs of the carry's shape and has no gradient under
    XLA; a while loop whose arrays and trip count are sized beforehand has neither trouble.

    Args:
        step: Function `(carry, inputs of one step) -> (carry, outputs of one step)`.
        carry: Nest of tensors whose shapes and dtypes no step changes.
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
        now = tree.pack_sequence_as(inputs, [source.read(t) for source in sources])
        following, outputs = step(carry, now)
        for new, old in zip(tree.flatten(following), tree.flatten(carry), strict=True):
            new.set_shape(old.shape)  # the loop refuses a carry whose static shape got vaguer
        written = [r.write(t, x) for r, x in zip(results, tree.flatten(outputs), strict=True)]
        return t + 1, following, written

    _, carry, results = tf.while_loop(
        lambda t, *_: t < steps, body, (tf.constant(0), carry, results), maximum_iterations=steps
    )
    return carry, tree.pack_sequence_as(dtypes, [result.stack() for result in results])
