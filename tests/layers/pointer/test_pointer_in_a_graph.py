"""Pointer decoding gives equal results in eager mode, in graphs, under XLA and after export.

Saved models and unknown sizes are tested as well.
"""

import keras
import numpy as np
import pytest
from keras import ops

import keras_attention
from keras_attention.export.checks.fresh_process import run_calls
from tests.layers.pointer.pointer_formulas import (
    BATCH,
    MEMORY,
    MEMORY_MASK,
    POINTS,
    STATE,
    build_decoder,
    numpy,
)

on_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="tf.function and SavedModel are TensorFlow's"
)
on_jax = pytest.mark.skipif(keras.backend.backend() != "jax", reason="jax.jit is JAX's")
with_and_without_an_end = pytest.mark.parametrize("end_slot", [False, True])
every_search = pytest.mark.parametrize(
    ("end_slot", "allow_repeats", "beam_width"),
    [(False, False, 1), (False, False, 3), (True, False, 1), (True, True, 3)],
    ids=["greedy", "beam", "greedy with an end", "beam with an end and repeats"],
)
NAMES = ("memory", "points", "mask", "hidden", "carry")
DATA = dict(zip(NAMES, (MEMORY, POINTS, MEMORY_MASK, *STATE), strict=True))
SMALL_DATA = {
    **{name: x[:2, :3] for name, x in DATA.items()},
    **{name: DATA[name][:2] for name in ("hidden", "carry")},
}


def make_decode_function(decoder, **options):
    """Return a function with named inputs and outputs, as an exported signature needs."""

    def run(memory, points, mask, hidden, carry):
        actual = decoder.decode(
            memory, points, mask, [hidden, carry], return_attention_scores=True, **options
        )
        return actual._asdict()

    return run


def tensors(data):
    return {name: ops.convert_to_tensor(x) for name, x in data.items()}


def assert_same(first, second):
    assert set(first) == {"indices", "lengths", "log_probabilities", "weights"}
    for name in first:
        np.testing.assert_allclose(numpy(first[name]), numpy(second[name]), atol=1e-5)


def input_specs():
    return [
        keras.InputSpec(shape=(None, None, 7), dtype="float32", name="memory"),
        keras.InputSpec(shape=(None, None, 2), dtype="float32", name="points"),
        keras.InputSpec(shape=(None, None), dtype="bool", name="mask"),
        keras.InputSpec(shape=(None, 3), dtype="float32", name="hidden"),
        keras.InputSpec(shape=(None, 3), dtype="float32", name="carry"),
    ]


@on_tensorflow
@every_search
@pytest.mark.parametrize("static_shapes", [False, True], ids=["dynamic", "static"])
@pytest.mark.parametrize("jit_compile", [False, True], ids=["plain", "compiled"])
def test_eager_and_compiled_decoding_are_equal(
    end_slot, allow_repeats, beam_width, jit_compile, static_shapes
):
    import tensorflow as tf

    unknown_sizes = [tf.TensorSpec(s.shape, s.dtype, s.name) for s in input_specs()]
    run = make_decode_function(
        build_decoder(end_slot), max_length=5, beam_width=beam_width, allow_repeats=allow_repeats
    )
    compiled = tf.function(
        run, jit_compile=jit_compile, input_signature=None if static_shapes else unknown_sizes
    )
    batches = [DATA] if static_shapes else [DATA, SMALL_DATA]
    # XLA compiles a program for each size. The test with static shapes compiles the larger size.
    for data in batches[-1:] if jit_compile else batches:
        assert_same(compiled(**tensors(data)), run(**tensors(data)))


@on_tensorflow
@with_and_without_an_end
@pytest.mark.parametrize("beam_width", [1, 3])
@pytest.mark.parametrize("jit_compile", [False, True], ids=["plain", "compiled"])
def test_compiled_decoding_accepts_any_number_of_elements(end_slot, beam_width, jit_compile):
    import tensorflow as tf

    run = make_decode_function(build_decoder(end_slot), beam_width=beam_width)
    signature = [tf.TensorSpec(s.shape, s.dtype, s.name) for s in input_specs()]
    compiled = tf.function(run, signature, jit_compile=jit_compile)
    for elements in (1, 9) if jit_compile else (1, 4, 9):
        resized = {n: np.resize(DATA[n], (2, elements, DATA[n].shape[-1])) for n in NAMES[:2]}
        data = {**SMALL_DATA, **resized, "mask": np.arange(elements) < [[elements], [1]]}
        actual = compiled(**tensors(data))
        assert actual["indices"].shape == (2, elements + end_slot)
        assert_same(actual, run(**tensors(data)))


@on_jax
@every_search
def test_jax_jit_gives_the_same_result(end_slot, allow_repeats, beam_width):
    import jax

    run = make_decode_function(
        build_decoder(end_slot), max_length=5, beam_width=beam_width, allow_repeats=allow_repeats
    )
    assert_same(jax.jit(run)(**tensors(DATA)), run(**tensors(DATA)))


def build_network(end_slot=False):
    """Return a model of encoder and decoder, and a function that decodes any number of points."""
    points = keras.Input((None, 2), name="points")
    targets = keras.Input((None,), dtype="int32", name="targets")
    encoder = keras.layers.LSTM(3, return_sequences=True, return_state=True, use_cudnn=False)
    mask = keras.layers.Masking(-1.0)
    decoder = keras_attention.PointerDecoder(3, end_slot=end_slot)
    memory, *state = encoder(mask(points))
    log_probabilities = decoder(targets, memory, points, initial_state=state)
    model = keras.Model({"points": points, "targets": targets}, log_probabilities)

    def decode(points):
        memory, *state = encoder(mask(points))
        decoded = decoder.decode(memory, points, initial_state=state, beam_width=3)
        return {"indices": decoded.indices, "log_probabilities": decoded.log_probabilities}

    return model, decode


@on_tensorflow
def test_exported_model_decodes(tmp_path):
    model, decode = build_network()
    data = np.where(MEMORY_MASK[..., None], POINTS, np.float32(-1))
    spec = keras.InputSpec(shape=(None, None, 2), dtype="float32", name="points")
    path = keras_attention.export.saved_model(
        model,
        tmp_path / "pointer",
        signatures={"decode": (decode, [spec])},
        example={"points": data, "targets": np.array([[1, 2]] * BATCH)},
    )
    longer = np.random.default_rng(3).normal(size=(2, 11, 2)).astype("float32")
    batches = data, data[:1, :2], longer
    results = run_calls(path, [("decode", {"points": points}) for points in batches])
    for points, actual in zip(batches, results, strict=True):
        expected = numpy(decode(points))
        np.testing.assert_array_equal(actual["indices"], expected["indices"])
        np.testing.assert_allclose(
            actual["log_probabilities"], expected["log_probabilities"], atol=1e-5
        )
        lengths = np.any(points != -1, axis=-1).sum(1)
        assert (actual["indices"] >= 0).sum(1).tolist() == lengths.tolist()


@with_and_without_an_end
def test_model_with_index_inputs_survives_saving(end_slot, tmp_path):
    model, _ = build_network(end_slot)
    model.save(tmp_path / "pointer.keras")
    loaded = keras.saving.load_model(tmp_path / "pointer.keras")
    data = {"points": POINTS, "targets": np.array([[1, 2, 0, -1]] * BATCH)}
    np.testing.assert_allclose(numpy(loaded(data)), numpy(model(data)), atol=1e-6)
    assert model.output_shape == (None, None, None)
    assert loaded(data).shape == (BATCH, 4, 5 + end_slot)
