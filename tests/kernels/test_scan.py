import keras
import numpy as np
import pytest
from keras import ops

from keras_attention.kernels import scan
from tests.gradients import gradients

STEPS, BATCH, WIDTH = 5, 2, 3
RNG = np.random.default_rng(0)
START, INPUTS = RNG.normal(size=(BATCH, WIDTH)), RNG.normal(size=(STEPS, BATCH, WIDTH))
ARRAYS = [START.astype("float32"), INPUTS.astype("float32")]


def recurrence(carry, inputs):
    """One step whose state and outputs are nested and have several shapes and dtypes."""
    hidden, count = carry["hidden"], carry["count"]
    hidden = ops.tanh(hidden * inputs["x"] + inputs["y"])
    total = ops.sum(hidden, axis=-1)
    return {"hidden": hidden, "count": count + 1}, (total, (hidden > 0, ops.cast(count, "int32")))


def start_and_inputs(hidden, x):
    hidden, x = ops.convert_to_tensor(hidden), ops.convert_to_tensor(x)
    return {"hidden": hidden, "count": ops.zeros(())}, {"x": x, "y": 2 * x}


def run_scan(hidden, x):
    return scan(recurrence, *start_and_inputs(hidden, x), ("float32", ("bool", "int32")))


def run_loop(hidden, x):
    carry, sequences = start_and_inputs(hidden, x)
    steps = []
    for t in range(len(x)):
        carry, outputs = recurrence(carry, {name: s[t] for name, s in sequences.items()})
        steps.append(keras.tree.flatten(outputs))
    total, positive, count = (ops.stack(parts) for parts in zip(*steps, strict=True))
    return carry, (total, (positive, count))


def loss(run, hidden, x):
    carry, (total, _) = run(hidden, x)
    return ops.sum(total**2) + ops.sum(carry["hidden"])


def assert_same(results, expected_results):
    keras.tree.assert_same_structure(results, expected_results)
    pairs = zip(keras.tree.flatten(results), keras.tree.flatten(expected_results), strict=True)
    for result, expected in pairs:
        result, expected = ops.convert_to_numpy(result), ops.convert_to_numpy(expected)
        assert (result.dtype, result.shape) == (expected.dtype, expected.shape)
        np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("steps", [1, 2, STEPS])
def test_scan_equals_a_python_loop(steps):
    arrays = ARRAYS[0], ARRAYS[1][:steps]
    assert_same(run_scan(*arrays), run_loop(*arrays))


def test_gradient_equals_that_of_a_python_loop():
    scan_gradients, loop_gradients = (
        gradients(lambda *x, r=r: loss(r, *x), ARRAYS) for r in (run_scan, run_loop)
    )
    assert np.abs(loop_gradients[0]).max() > 0.01
    assert_same(scan_gradients, loop_gradients)


def test_compiled_scan_gives_the_same_results_and_gradients():
    expected = [run_loop(*ARRAYS), gradients(lambda *x: loss(run_loop, *x), ARRAYS)]
    if keras.backend.backend() == "tensorflow":
        assert_same(_run_compiled_on_tensorflow(), expected)
    elif keras.backend.backend() == "jax":
        import jax

        compute_gradients = jax.grad(lambda *x: loss(run_scan, *x), (0, 1))
        assert_same(
            [jax.jit(run_scan)(*ARRAYS), list(jax.jit(compute_gradients)(*ARRAYS))], expected
        )
    else:
        pytest.skip("PyTorch does not compile here")


def _run_compiled_on_tensorflow():
    import tensorflow as tf

    @tf.function(jit_compile=True)
    def run(hidden, x):
        with tf.GradientTape() as tape:
            tape.watch([hidden, x])
            value = loss(run_scan, hidden, x)
        return [run_scan(hidden, x), tape.gradient(value, [hidden, x])]

    return run(*map(tf.constant, ARRAYS))


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="needs unknown dimensions")
@pytest.mark.parametrize("compiled", [False, True])
def test_number_of_steps_and_sequences_can_be_unknown(compiled):
    import tensorflow as tf

    shapes = [tf.TensorSpec((None, WIDTH)), tf.TensorSpec((None, None, WIDTH))]
    run = tf.function(run_scan, input_signature=shapes, jit_compile=compiled)
    for steps, batch in [(STEPS, BATCH), (2, 1)]:
        arrays = ARRAYS[0][:batch], ARRAYS[1][:steps, :batch]
        assert_same(run(*arrays), run_loop(*arrays))


def test_gradient_of_an_output_can_be_missing():
    (grad_start, grad_inputs) = gradients(lambda h, x: ops.sum(run_scan(h, x)[1][0][0]), ARRAYS)
    assert np.abs(grad_start).max() > 0
    np.testing.assert_array_equal(grad_inputs[1:], 0)
