"""Run a layer on the current backend in one of the modes, with derivatives."""

import contextlib

import keras
import numpy as np
from keras import ops

from keras_attention.testing.gradients import outputs_and_gradients


def run(mode, problem, floats, fixed, factors, directions, order):
    """Return the outputs, the gradients and the second derivatives, as dicts of arrays.

    The loss is the sum of the outputs times the factors. The second derivatives are the gradients
    of the sum of the first derivatives times the directions.

    Args:
        mode: A `Setting.mode`.
        problem: A `checking.Problem` whose layer is built.
        floats: Dict of arrays to differentiate with respect to.
        fixed: Dict of the other arrays.
        factors: Dict of arrays of the outputs' shapes.
        directions: Dict of arrays, for the floats and the variables.
        order: Highest derivative.
    """
    layer, known_axes = problem.layer, problem.known_axes
    variables = list(layer.trainable_variables)

    def call(floats, fixed):
        return problem.call(layer, floats, fixed)

    floats = {k: ops.convert_to_tensor(v) for k, v in floats.items()}
    fixed = {k: ops.convert_to_tensor(v) for k, v in fixed.items()}

    def compute_loss(outputs):
        losses = [
            ops.sum(ops.multiply(ops.cast(outputs[k], f.dtype.name), ops.convert_to_tensor(f)))
            for k, f in factors.items()
        ]
        return sum(losses)

    if keras.backend.backend() == "tensorflow":
        arguments = (
            mode,
            variables,
            call,
            compute_loss,
            floats,
            fixed,
            directions,
            order,
            known_axes,
        )
        results = _run_tensorflow(*arguments)
    else:
        results = _run_on_jax_or_torch(mode, variables, call, compute_loss, floats, fixed, order)
    return [{k: None if x is None else to_numpy(x) for k, x in r.items()} for r in results]


def _run_tensorflow(
    mode, variables, call, compute_loss, floats, fixed, directions, order, known_axes
):
    import tensorflow as tf

    names = [*floats, *(v.path for v in variables)]

    def differentiate(floats, fixed):
        sources = [*floats.values(), *(v.value for v in variables)]
        if not order:
            return call(floats, fixed), {}, {}
        with tf.GradientTape() if order > 1 else contextlib.nullcontext() as outer:
            if outer is not None:
                outer.watch(sources[: len(floats)])
            with tf.GradientTape() as inner:
                inner.watch(sources[: len(floats)])
                outputs = call(floats, fixed)
                loss = compute_loss(outputs)
            first = inner.gradient(loss, sources)
            pairs = zip(names, first, strict=True)
            total = sum(
                tf.reduce_sum(tf.cast(g, loss.dtype) * directions[k])
                for k, g in pairs
                if g is not None
            )
        second = outer.gradient(total, sources) if order > 1 else [None] * len(sources)
        # A graph cannot return None, so missing gradients are left out of the dicts.
        first, second = (
            {k: g for k, g in zip(names, grads, strict=True) if g is not None}
            for grads in (first, second)
        )
        return outputs, first, second

    if mode != "eager":

        def make_spec(name, x, is_float):
            known = {len(x.shape) - 1, *known_axes.get(name, ())} if is_float else ()
            sizes = [n if axis in known else None for axis, n in enumerate(x.shape)]
            return tf.TensorSpec(sizes, x.dtype)

        signature = None
        if mode != "xla":
            signature = [
                {k: make_spec(k, x, is_float) for k, x in part.items()}
                for part, is_float in ((floats, True), (fixed, False))
            ]
        differentiate = tf.function(
            differentiate, input_signature=signature, jit_compile=mode != "graph", autograph=False
        )
    outputs, first, second = differentiate(floats, fixed)
    if order:
        first = {k: first.get(k) for k in names}
    if order > 1:
        second = {k: second.get(k) for k in names}
    return outputs, first, second


def _run_on_jax_or_torch(mode, variables, call, compute_loss, floats, fixed, order):
    names = list(floats)
    function = _compile(call, mode)
    if not order:
        return function(floats, fixed), {}, {}

    def compute(*tensors):
        outputs = call(dict(zip(names, tensors, strict=True)), fixed)
        return compute_loss(outputs), outputs

    differentiate = outputs_and_gradients(compute, len(names), variables)
    outputs, first = differentiate(*floats.values())
    return outputs, dict(zip([*names, *(v.path for v in variables)], first, strict=True)), {}


def _compile(call, mode):
    if mode == "eager":
        return call
    import jax

    return jax.jit(call)


def to_numpy(x):
    if isinstance(x, np.ndarray):
        return x.astype("float64") if x.dtype.kind not in "bi" else x
    x = ops.convert_to_tensor(x)
    if keras.backend.is_float_dtype(keras.backend.standardize_dtype(x.dtype)):
        x = ops.cast(x, "float32") if "16" in str(x.dtype) else x
        return ops.convert_to_numpy(x).astype("float64")
    return ops.convert_to_numpy(x)
