"""The NTM cell inside `keras.layers.RNN`: masks, unrolling, dtypes, compilation."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_attention
from tests.compile_model import compile_model

SIZES = {"slots": 7, "width": 3, "controller_units": 5}
on_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="tf.function needs TensorFlow"
)


def numpy(x):
    return ops.convert_to_numpy(x)


def data(steps=5, batch=2):
    rng = np.random.default_rng(0)
    return rng.normal(size=(batch, steps, 3)).astype("float32")


def make_cell(dtype=None, **options):
    return keras_attention.NTMCell(11, **{**SIZES, **options}, dtype=dtype)


def run(cell, x, mask=None, **options):
    options = {"return_sequences": True, "dtype": cell.dtype_policy, **options}
    return keras.layers.RNN(cell, **options)(x, mask=mask)


@pytest.mark.parametrize("unroll", [False, True])
def test_masked_step_leaves_every_state_unchanged(unroll):
    cell, x = make_cell(), data()
    mask = np.array([[True, True, False, True, False], [True, False, False, False, False]])
    options = {"return_state": True, "unroll": unroll}
    _, *states = run(cell, x, mask=mask, **options)
    _, *first_states = run(cell, x[:1, [0, 1, 3]], **options)
    _, *second_states = run(cell, x[1:, :1], **options)
    for actual, first, second in zip(states, first_states, second_states, strict=True):
        expected = np.concatenate([numpy(first), numpy(second)])
        np.testing.assert_allclose(numpy(actual), expected, rtol=1e-5, atol=1e-7)


def test_masked_steps_return_zeros_with_zero_output_for_mask():
    cell, mask = make_cell(), np.array([[True, False, True, False, False]] * 2)
    outputs = numpy(run(cell, data(), mask=mask, zero_output_for_mask=True))
    np.testing.assert_array_equal((outputs != 0).any(-1), mask)


def test_unrolled_loop_equals_symbolic_loop():
    cell = make_cell(read_heads=2)
    looped, unrolled = (numpy(run(cell, data(), unroll=unroll)) for unroll in (False, True))
    np.testing.assert_allclose(unrolled, looped, atol=1e-6)


def test_batch_of_one_equals_a_row_of_a_larger_batch():
    cell, x = make_cell(read_heads=2, write_heads=2), data(batch=3)
    whole_batch = numpy(run(cell, x))
    for n in range(3):
        np.testing.assert_allclose(numpy(run(cell, x[n : n + 1]))[0], whole_batch[n], atol=1e-6)


@pytest.mark.parametrize("dtype", ["mixed_float16", "float16", "bfloat16", "mixed_bfloat16"])
def test_half_precision_policies_round_only_the_outputs(dtype):
    exact, cell = make_cell(), make_cell(dtype)
    outputs = run(exact, data(11))
    half = run(cell, data(11))
    assert dtype.endswith(keras.backend.standardize_dtype(half.dtype))
    cell.set_weights(exact.get_weights())
    # An RNN layer in float32 does not round the cell's outputs again.
    rounded = run(cell, data(11), dtype="float32")
    expected = ops.cast(ops.cast(outputs, half.dtype), "float32")
    np.testing.assert_allclose(numpy(rounded), numpy(expected), rtol=1e-2, atol=1e-6)
    assert {str(w.dtype) for w in cell.weights} == {"float32"}


def test_states_stay_float32_under_a_global_half_precision_policy(monkeypatch):
    state_dtypes, call = [], keras_attention.NTMCell.call

    def record_dtypes(self, inputs, states):
        state_dtypes.extend(keras.backend.standardize_dtype(x.dtype) for x in states)
        return call(self, inputs, states)

    monkeypatch.setattr(keras_attention.NTMCell, "call", record_dtypes)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        cell = make_cell()
        outputs = keras.layers.RNN(cell, return_sequences=True)(data())
    finally:
        keras.config.set_dtype_policy(before)
    assert keras.backend.standardize_dtype(outputs.dtype) == "float16"
    assert set(state_dtypes) == {"float32"}
    _, *states = run(cell, data(), dtype="float32", return_state=True)
    exact = make_cell()
    run(exact, data())
    exact.set_weights(cell.get_weights())
    _, *exact_states = run(exact, data(), return_state=True)
    for actual, expected in zip(states[1:], exact_states[1:], strict=True):
        np.testing.assert_allclose(numpy(actual), numpy(expected), rtol=1e-5, atol=1e-9)


def test_trains_compiled_with_masks_and_unknown_batch_and_time():
    words = keras.Input((None,), dtype="int32")
    x = keras.layers.Embedding(5, 3, mask_zero=True)(words)
    cell = make_cell(read_heads=2, write_heads=2)
    y = keras.layers.Dense(5)(keras.layers.RNN(cell, return_sequences=True)(x))
    model = keras.Model(words, y)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    jit = keras.backend.backend() != "torch"
    compile_model(model, keras.optimizers.Adam(0.03, clipvalue=10.0), loss, jit_compile=jit)
    sequences = np.random.default_rng(0).integers(0, 5, (4, 5))
    history = model.fit(sequences, sequences, epochs=30, verbose=0)
    assert model.jit_compile == jit
    assert history.history["loss"][-1] < 0.7 * history.history["loss"][0]
    longer = np.random.default_rng(1).integers(0, 5, (1, 11))
    assert np.isfinite(model.predict_on_batch(longer)).all()


@on_tensorflow
@pytest.mark.parametrize("has_mask", [False, True])
def test_compiled_gradients_with_unknown_sizes_match_eager_gradients(has_mask):
    import tensorflow as tf

    cell = make_cell(read_heads=2, write_heads=2, shift_range=2)
    layer = keras.layers.RNN(cell, return_sequences=True)
    layer(data())
    mask = np.array([[True, True, False, True, False]] * 2) if has_mask else None

    def gradients(x):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(layer(x, mask=mask) ** 2)
        return tape.gradient(loss, [v.value for v in cell.trainable_variables])

    spec = tf.TensorSpec((None, None, 3))
    compiled = tf.function(gradients, input_signature=[spec], jit_compile=True)
    for actual, expected in zip(compiled(data()), gradients(data()), strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-3, atol=1e-5)
