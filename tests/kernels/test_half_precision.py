"""Half precision: the error of every product, and of its gradients, in units of the last place.

A unit is that of the compute dtype, of the largest term of a sum or of the largest result.
"""

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention.kernels.attention import attention
from keras_attention.kernels.matmul import matmul, project
from keras_attention.kernels.prepared_memory import PreparedMemory
from keras_attention.mask.structured_mask import StructuredMask
from keras_attention.normalize import softmax
from keras_attention.precision import clip_input, saturate_cast
from keras_attention.read import weighted_sum
from keras_attention.score import AdditiveScore, DotScore, GeneralScore
from keras_attention.testing.gradients import gradients

EPSILON = {"float16": 2.0**-10, "bfloat16": 2.0**-7}
MAX_UNITS = 2
RNG = np.random.default_rng(0)
every_dtype = pytest.mark.parametrize("dtype", EPSILON)


def draw(dtype, *shape):
    """Return normal numbers that the dtype represents exactly: a tensor, and float64."""
    tensor = ops.cast(RNG.normal(size=shape).astype("float32"), dtype)
    return tensor, to_float64(tensor)


def to_float64(x):
    return ops.convert_to_numpy(ops.cast(x, "float32")).astype("float64")


def assert_near(actual, expected, terms, dtype):
    """Check that the error is at most `MAX_UNITS` of the largest term or result."""
    size = max(np.abs(terms).max(), np.abs(expected).max())
    units = np.abs(to_float64(actual) - expected).max() / (EPSILON[dtype] * size)
    assert units <= MAX_UNITS, f"{units:.2f} units in the last place"


def run_compiled(function, *arguments):
    """Run under XLA on TensorFlow and JAX."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.function(function, jit_compile=True, autograph=False)(*arguments)
    import jax

    return jax.jit(function)(*arguments)


MODES = {"called": lambda function, *arguments: function(*arguments)}
if keras.backend.backend() != "torch":
    MODES["compiled"] = run_compiled
every_mode = pytest.mark.parametrize("run", MODES.values(), ids=MODES)


def differentiate(function, factor, *inputs):
    """Return the gradients of `sum(factor * function(*inputs))`, computed by `run`'s mode."""
    return gradients(lambda *x: ops.sum(ops.cast(function(*x), "float32") * factor), inputs)


@every_mode
@every_dtype
def test_projection_and_its_gradients(dtype, run):
    (x, x64), (kernel, kernel64), (bias, bias64) = (
        draw(dtype, *shape) for shape in ((2, 5, 16), (16, 7), (7,))
    )
    result = run(project, x, kernel, bias)
    assert keras.backend.standardize_dtype(result.dtype) == dtype
    terms = x64[..., None] * kernel64
    assert_near(result, x64 @ kernel64 + bias64, terms, dtype)
    factor, factor64 = draw(dtype, 2, 5, 7)
    factor = ops.cast(factor, "float32")
    grad_x, grad_kernel = differentiate(
        lambda x, kernel: run(lambda x, kernel: project(x, kernel), x, kernel), factor, x, kernel
    )
    assert_near(grad_x, factor64 @ kernel64.T, factor64[..., None, :] * kernel64, dtype)
    expected = np.einsum("btd,btu->du", x64, factor64)
    assert_near(grad_kernel, expected, x64[..., None] * factor64[..., None, :], dtype)


@every_mode
@pytest.mark.parametrize("score", [DotScore, GeneralScore, AdditiveScore])
@every_dtype
def test_score(dtype, score, run):
    (query, query64), (key, key64) = draw(dtype, 2, 5, 8), draw(dtype, 2, 6, 8)
    layer = score(dtype=f"mixed_{dtype}")
    layer.build((2, 5, 8), (2, 6, 8))
    weights = [to_float64(saturate_cast(w.value, dtype)) for w in layer.weights]
    layer.set_weights([w.astype("float32") for w in weights])
    scores = run(layer.call, query, key)
    assert keras.backend.standardize_dtype(scores.dtype) == "float32"
    if score is AdditiveScore:
        query_kernel, key_kernel, scale = weights
        hidden = np.tanh((query64 @ query_kernel)[:, :, None] + (key64 @ key_kernel)[:, None])
        assert_near(scores, hidden @ scale, hidden * scale, dtype)
        return
    projected = key64 @ weights[0].T if weights else key64
    terms = query64[:, :, None] * projected[:, None]
    assert_near(scores, terms.sum(-1), terms, dtype)


@every_mode
@every_dtype
def test_weighted_sum(dtype, run):
    weights = ops.softmax(ops.convert_to_tensor(RNG.normal(size=(2, 5, 9)).astype("float32")))
    value, value64 = draw(dtype, 2, 9, 4)
    context = run(weighted_sum, weights, value)
    assert keras.backend.standardize_dtype(context.dtype) == dtype
    assert_near(context, to_float64(weights) @ value64, value64, dtype)


@every_mode
@pytest.mark.parametrize("implementation", ["plain", "blockwise"])
@every_dtype
def test_attention_and_its_gradients(dtype, implementation, run):
    shapes = (2, 2, 6, 8), (2, 2, 7, 8), (2, 2, 7, 8)
    query, key, value = (
        (ops.multiply(x, 0.5), x64 / 2) for x, x64 in (draw(dtype, *s) for s in shapes)
    )
    (query, query64), (key, key64), (value, value64) = query, key, value
    mask = StructuredMask(6, 7, causal=True)

    def attend(query, key, value):
        memory = PreparedMemory(key, value, None)
        return attention(
            DotScore(dtype=f"mixed_{dtype}"), softmax, None, query, memory, mask,
            implementation=implementation, return_weights=False, groups=2,
        )[0]  # fmt: skip

    def compute(query, key, value):
        return run(attend, query, key, value)

    scores = query64 @ key64.swapaxes(-1, -2)
    exponentials = np.exp(scores) * np.tri(6, 7, 1)
    weights = exponentials / exponentials.sum(-1, keepdims=True)
    context = compute(query, key, value)
    assert keras.backend.standardize_dtype(context.dtype) == dtype
    assert_near(context, weights @ value64, value64, dtype)
    factor, factor64 = draw(dtype, 2, 2, 6, 8)
    grads = differentiate(compute, ops.cast(factor, "float32"), query, key, value)
    grad_weights = factor64 @ value64.swapaxes(-1, -2)
    mean = np.sum(weights * grad_weights, axis=-1, keepdims=True)
    grad_scores, size = weights * (grad_weights - mean), weights * np.abs(grad_weights)
    assert_near(grads[0], grad_scores @ key64, size.max() * key64, dtype)
    assert_near(grads[1], grad_scores.swapaxes(-1, -2) @ query64, size.max() * query64, dtype)
    assert_near(grads[2], weights.swapaxes(-1, -2) @ factor64, factor64, dtype)


@every_mode
def test_overflow_of_float16_saturates(run):
    x = ops.full((2, 3, 4), 60000.0, "float16")
    kernel = np.array([[1, -1, 1]] * 4, "float32")
    projected = run(project, x, ops.convert_to_tensor(kernel))
    np.testing.assert_array_equal(
        to_float64(projected), 65504 * np.sign(kernel[:3])[None] + 0 * to_float64(x[..., :3])
    )


@every_dtype
def test_mixed_dtypes_are_multiplied_in_float32(dtype):
    (a, a64), (b, b64) = draw("float32", 2, 3, 4), draw(dtype, 2, 4, 5)
    product = matmul(a, b)
    assert keras.backend.standardize_dtype(product.dtype) == "float32"
    np.testing.assert_allclose(to_float64(product), a64 @ b64, rtol=1e-5, atol=1e-6)


def test_inputs_of_projections_are_clipped_in_their_dtype():
    numbers = ops.cast(np.array([3e38, -3e38, 1.5], "float32"), "bfloat16")
    clipped = clip_input(numbers)
    assert keras.backend.standardize_dtype(clipped.dtype) == "bfloat16"
    np.testing.assert_allclose(to_float64(clipped), [1e12, -1e12, 1.5], rtol=2**-8)
    assert clip_input(largest := ops.full((2,), 65504.0, "float16")) is largest
