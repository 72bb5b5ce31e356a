"""The check that symbolic calls give the shapes of the real outputs."""

import functools
import inspect
from collections.abc import Callable

import keras

from keras_attention.testing.backends import compute_shapes
from keras_attention.testing.case import LayerCase
from keras_attention.testing.data import BATCH, QUERIES
from keras_attention.testing.promise import promise, require
from keras_attention.testing.recorded_calls import record_calls

# Batch sizes of queries and of values, and the number of queries.
SIZES = [(BATCH, BATCH, 1), (1, 1, QUERIES), (1, BATCH, QUERIES), (BATCH, 1, QUERIES)]


@promise("symbolic calls give the shapes of the real outputs, also for one sample and one query")
def check_shapes(case: LayerCase) -> None:
    """Compare real outputs with symbolic calls of known and unknown sizes, for each of `SIZES`.

    If the real call fails, the symbolic call of known sizes must fail too. `compute_output_shape`
    must return the same shape as the symbolic call, which is the one that a functional model makes.
    """
    layer = case.evaluator().layer
    query, value, *_ = case.batch()
    for query_batch, value_batch, queries in SIZES:
        arrays = query[:query_batch, :queries], value[:value_batch]
        shapes = _try(compute_shapes, functools.partial(case.call, layer), *arrays)
        symbolic = _try(_call_symbolic, case, layer, *(x.shape for x in arrays))
        received = f"queries {arrays[0].shape} and values {arrays[1].shape}"
        if isinstance(shapes, Exception) or isinstance(symbolic, Exception):
            do_both_fail = isinstance(shapes, Exception) and isinstance(symbolic, Exception)
            message = f"For {received} the layer gives {shapes}, the symbolic call {symbolic}"
            require(do_both_fail, message)
            continue
        require(symbolic == shapes, f"Symbolic shapes {symbolic}, real {shapes}, for {received}")
        for unknown in _forget_sizes(*arrays):
            symbolic = _call_symbolic(case, layer, *unknown)
            message = f"Symbolic shapes {symbolic} for {unknown}, real shapes {shapes}"
            require(all(map(_is_compatible, symbolic, shapes)), message)


def _try(function, *args):
    try:
        return function(*args)
    except Exception as error:  # `check_invalid_calls_raise` checks the kind of error.
        return error


def _forget_sizes(query, value):
    width = query.shape[-1]
    yield (None, None, width), (None, None, width)
    yield query.shape, (None, None, width)
    yield (None, None, width), value.shape


def _call_symbolic(case, layer, *shapes):
    """Return the shapes of output and weights; compare with `compute_output_shape`."""
    with record_calls(layer) as calls:
        outputs = case.call(layer, *(keras.KerasTensor(shape, "float32") for shape in shapes))
    if calls and type(layer).compute_output_shape is not keras.layers.Layer.compute_output_shape:
        _check_output_shape(layer, *calls[-1])
    return tuple(tuple(x.shape) for x in outputs)


def _check_output_shape(layer, arguments, result):
    input_shapes = {
        f"{name}_shape": keras.tree.map_structure(lambda x: tuple(x.shape), argument)
        for name, argument in arguments.items()
        if all(isinstance(x, keras.KerasTensor) for x in keras.tree.flatten(argument))
    }
    names = list(inspect.signature(layer.compute_output_shape).parameters)
    if len(names) == 1:
        shape = layer.compute_output_shape(next(iter(input_shapes.values())))
    else:
        shape = layer.compute_output_shape(
            **{name: input_shapes[name] for name in names if name in input_shapes}
        )
    output = result[0] if isinstance(result, tuple) else result
    expected = tuple(output.shape)
    message = f"compute_output_shape gives {tuple(shape)}, the symbolic call {expected}"
    require(tuple(shape) == expected, message)


def _is_compatible(symbolic, shape):
    return len(symbolic) == len(shape) and all(
        size in (None, real) for size, real in zip(symbolic, shape, strict=True)
    )


CHECKS: list[Callable] = [check_shapes]
