"""Choose at run time between a fast kernel and the plain formula, which has no limited domain."""

import keras
from keras import ops, tree

from keras_attention.kernels.xla_context import is_compiled


def run_fast_or_exact(is_in_range, fast, exact, inputs):
    """Return `fast(*inputs)` if `is_in_range`, and `exact(*inputs)` otherwise.

    Args:
        is_in_range: Bool scalar tensor.
        fast: Function that returns a nest of tensors. Its results must be finite out of its range
            too, because a compiled program computes them in any case.
        exact: Function that returns a nest of the same shapes and dtypes.
        inputs: Tuple of float tensors.
    """
    if not is_compiled():
        return ops.cond(is_in_range, lambda: fast(*inputs), lambda: exact(*inputs))
    # The fast function is not in a branch, because XLA on a CPU runs a branch on one core.
    results = fast(*inputs)
    if keras.backend.backend() == "tensorflow":
        return _replace_unless(is_in_range, results, exact, inputs)
    return ops.cond(is_in_range, lambda: results, lambda: exact(*inputs))


def _replace_unless(condition, results, compute, inputs):
    """Return `results`, or `compute(*inputs)` if `condition` is False.

    This is a loop of zero or one iterations, because second derivatives need the gradient of this
    choice, and XLA cannot differentiate a conditional over unknown sizes.
    """
    import tensorflow as tf

    # XLA gives the loop's tensors the memory layout that its body prefers, even if it never runs,
    # and would transpose the results twice. A flat tensor has a single layout.
    def flatten(nest):
        return [tf.reshape(x, (-1,)) for x in tree.flatten(nest)]

    def body(step, *old_results):
        # Adding `step`, which is 0, makes the inputs depend on the iteration. Otherwise XLA would
        # move the computation out of the loop, and run it even if `condition` is True.
        new_results = flatten(compute(*(x + tf.cast(step, x.dtype) for x in inputs)))
        for new, old in zip(new_results, old_results, strict=True):
            new.set_shape(old.shape)  # the loop rejects a less specific static shape
        return step + 1, *new_results

    iterations = tf.where(condition, 0, 1)
    _, *flat = tf.while_loop(
        lambda step, *_: step < iterations,
        body,
        (tf.constant(0), *flatten(results)),
        maximum_iterations=1,
    )
    shaped = [
        tf.reshape(x, tf.shape(result))
        for x, result in zip(flat, tree.flatten(results), strict=True)
    ]
    return tree.pack_sequence_as(results, shaped)
