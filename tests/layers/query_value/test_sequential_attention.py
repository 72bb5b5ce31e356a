"""What all layers have in common whose weights depend on the previous weights."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention import AttentionDecoder, LocationAwareAttention, MonotonicAttention
from tests.gradients import gradients

LAYERS = {
    "location_aware": lambda: LocationAwareAttention(units=3),
    "monotonic": lambda: MonotonicAttention(units=3),
}
VALUE = np.ones((2, 5, 7, 4), "float32")


@pytest.mark.parametrize("name", LAYERS)
def test_values_with_further_batch_axes_are_refused(name):
    with pytest.raises(ValueError, match=r"Expected a value \(batch, Tk, Dv\).*\(2, 5, 7, 4\)"):
        LAYERS[name]()(VALUE)
    layer = LAYERS[name]()
    layer(VALUE[:, 0])
    with pytest.raises(ValueError, match=r"Expected a value \(batch, Tk, Dv\)"):
        layer.prepare(VALUE)


INPUTS = np.random.default_rng(0).normal(size=(2, 4, 3)).astype("float32")
MEMORY = np.random.default_rng(1).normal(size=(2, 9, 5)).astype("float32")
DECODED = {
    "location_aware": lambda: LocationAwareAttention(units=4, filters=2, width=3),
    "cumulative": lambda: LocationAwareAttention(units=4, filters=2, width=3, cumulative=True),
    "monotonic": lambda: MonotonicAttention(units=4, bias=0.0, inference="soft"),
}
decoded = pytest.mark.parametrize("name", DECODED)


def numpy(x):
    return ops.convert_to_numpy(x)


def build_decoder(name):
    return AttentionDecoder(keras.layers.GRUCell(6), DECODED[name]())


@decoded
def test_functional_model_of_one_step_continues_from_its_state(name, tmp_path):
    decoder, memory = build_decoder(name), keras.Input((None, 5))
    outputs, state = decoder(keras.Input((None, 3)), memory, return_state=True)
    inputs, first = keras.Input((None, 3)), keras.Input((None, 5))
    start = keras.Model([inputs, first], decoder(inputs, first, return_state=True))
    states = [keras.Input(x.shape[1:], dtype=x.dtype) for x in keras.tree.flatten(state)]
    inputs, memory = keras.Input((None, 3)), keras.Input((None, 5))
    outputs, state = decoder(inputs, memory, initial_state=states, return_state=True)
    model = keras.Model([inputs, memory, *states], [outputs, *keras.tree.flatten(state)])
    model.save(tmp_path / "step.keras")
    for step in (model, keras.saving.load_model(tmp_path / "step.keras")):
        output, state = start([INPUTS[:, :1], MEMORY])
        results, state = [output], keras.tree.flatten(state)
        for t in range(1, 4):
            inputs = [ops.convert_to_tensor(x) for x in (INPUTS[:, t : t + 1], MEMORY)]
            output, *state = step([*inputs, *state])
            results.append(output)
        result = np.concatenate([numpy(x) for x in results], axis=1)
        np.testing.assert_allclose(result, numpy(decoder(INPUTS, MEMORY)), atol=1e-5)


@decoded
def test_state_of_another_dtype_is_cast(name):
    decoder = build_decoder(name)
    whole = decoder(INPUTS, MEMORY)
    _, state = decoder(INPUTS[:, :2], MEMORY, return_state=True)
    state = keras.tree.map_structure(lambda x: numpy(x).astype("float64"), state)
    memory = decoder.prepare(MEMORY)
    output, *_ = decoder.step(INPUTS[:, 2], decoder.get_initial_state(2, state, memory), memory)
    np.testing.assert_allclose(numpy(output), numpy(whole)[:, 2], atol=1e-5)


@pytest.mark.parametrize("name", LAYERS)
def test_no_queries_give_no_outputs(name):
    layer = LAYERS[name]()
    layer([INPUTS, MEMORY])
    inputs = [INPUTS[:, :0], MEMORY]
    output, weights = layer(inputs, return_attention_scores=True)
    assert (tuple(output.shape), tuple(weights.shape)) == ((2, 0, 5), (2, 0, 9))


@pytest.mark.parametrize("name", LAYERS)
def test_an_empty_batch_gives_an_empty_batch(name):
    layer = LAYERS[name]()
    layer([INPUTS, MEMORY])
    assert tuple(layer([INPUTS[:0], MEMORY[:0]]).shape) == (0, 4, 5)


@decoded
def test_gradients_through_twenty_steps_are_finite(name):
    layer = DECODED[name]()
    rng = np.random.default_rng(0)
    query = rng.normal(0, 3, size=(2, 20, 3)).astype("float32")
    layer([query, MEMORY])

    def loss(query, value):
        return ops.sum(layer([query, value], training=True) ** 2)

    found = gradients(loss, [query, MEMORY], layer.trainable_variables)
    assert all(np.isfinite(gradient).all() for gradient in found)
    assert all(np.any(gradient != 0) for gradient in found)
