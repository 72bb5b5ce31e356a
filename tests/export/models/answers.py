"""Requests that an export has not seen, and the answers that the model gives to them."""

import keras
import numpy as np

from keras_attention.export.checks.c_loader.arrays import as_array
from keras_attention.export.checks.graph import load_meta_graph
from keras_attention.export.checks.reachable import list_signatures

# Unlike those of the examples that an export generates.
BATCHES_AND_LENGTHS = ((2, 6), (5, 9))
WORDS = (b"a", b"b", b"c", b"a b", b"b c a", b"")
FULL_PRECISION = ("float32", "float64", "complex64", "complex128")


def draw_requests(path):
    """Return two requests with random values for each signature of an export."""
    random, requests = np.random.default_rng(1), []
    for name, signature in list_signatures(load_meta_graph(path)).items():
        for batch, length in BATCHES_AND_LENGTHS:
            inputs = {
                key: _draw(info, batch, length, random)
                for key, info in sorted(signature.inputs.items())
            }
            requests.append((name, inputs))
    return requests


def _draw(info, batch, length, random):
    """Return a random array for an input: ids are 1, 2 or 3, which every model here knows."""
    import tensorflow as tf

    sizes = [dim.size for dim in info.tensor_shape.dim]
    shape = [length if size < 0 else size for size in sizes]
    if sizes and sizes[0] < 0:
        shape[0] = batch
    dtype = tf.as_dtype(info.dtype)
    if dtype == tf.string:
        indices = random.integers(len(WORDS), size=shape)
        return np.array(WORDS, object)[indices] if shape else np.array(WORDS[0], object)
    if dtype.is_bool:
        return random.integers(2, size=shape).astype(bool)
    if dtype.is_integer:
        return random.integers(1, 4, size=shape).astype(dtype.as_numpy_dtype)
    return random.standard_normal(shape).astype(dtype.as_numpy_dtype)


def compute_expected(case, signature, inputs):
    """Return the outputs by name that a case must give for a request."""
    import tensorflow as tf

    tensors = {name: tf.constant(array) for name, array in inputs.items()}
    if signature in case.expected:
        outputs = case.expected[signature](**tensors)
    elif signature in (case.signatures or {}):
        outputs = case.signatures[signature][0](**tensors)
    else:
        outputs = _call_model(case.model, tensors)
    if isinstance(outputs, list | tuple):
        single = len(outputs) == 1
        outputs = outputs[0] if single else {f"output_{i}": x for i, x in enumerate(outputs)}
    outputs = outputs if isinstance(outputs, dict) else {"output": outputs}
    return {
        name: as_array(keras.ops.convert_to_numpy(tensor) if hasattr(tensor, "shape") else tensor)
        for name, tensor in outputs.items()
        if tensor is not None
    }


def _call_model(model, tensors):
    """Call a model whose inputs are one tensor, a list of tensors, or a dict of them by name."""
    if len(tensors) == 1:
        (tensor,) = tensors.values()
        is_dict = not isinstance(model, keras.Sequential) and isinstance(model.input, dict)
        return model(tensors if is_dict else tensor, training=False)
    if isinstance(model.input, dict):
        return model(tensors, training=False)
    layers = [tensor._keras_history.operation for tensor in model.inputs]
    return model([tensors[layer.name] for layer in layers], training=False)


def describe_error(answer, expected, tolerance):
    """Describe the first output that is not as expected; None if there is none."""
    if answer.keys() != expected.keys():
        return f"outputs {sorted(answer)} instead of {sorted(expected)}"
    for name, array in answer.items():
        other = expected[name]
        if array.shape != other.shape or array.dtype != other.dtype:
            return f"{name}: {array.dtype} {array.shape}, not {other.dtype} {other.shape}"
        if array.dtype.kind in "OSUbiu":
            if not np.array_equal(array, other):
                return f"{name}: {array.tolist()} instead of {other.tolist()}"[:200]
            continue
        if array.dtype.name not in FULL_PRECISION:
            array, other = array.astype("float64"), other.astype("float64")
        finite = np.isfinite(other)
        largest = np.max(np.abs(other), initial=0.0, where=finite)
        if not np.allclose(array, other, rtol=0, atol=tolerance * largest, equal_nan=True):
            return f"{name}: differs by {np.max(np.abs(array - other)):.3g} of {largest:.3g}"
    return None
