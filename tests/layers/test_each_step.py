"""EachStep equals a loop over samples and sequences, and hands masks on."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_attention
from keras_attention import EachStep
from tests import reference, reference_recurrent

RNG = np.random.default_rng(0)
INPUTS = RNG.normal(size=(2, 3, 5, 4)).astype("float32")
MASK = np.arange(5) < np.array([[5, 2, 0], [3, 0, 1]])[..., None]
IDS = np.where(MASK, RNG.integers(1, 9, MASK.shape), 0)
LAYERS = {
    "pooling": keras_attention.AttentionPooling,
    "attention": lambda: keras_attention.AdditiveAttention(units=3),
    "heads": lambda: keras_attention.MultiHeadSelfAttention(2),
    "last state": lambda: keras.layers.GRU(3, use_cudnn=False),
    "states": lambda: keras.layers.Bidirectional(
        keras.layers.GRU(3, return_sequences=True, use_cudnn=False)
    ),
    "time reduction": keras_attention.TimeReduction,
    "dense": lambda: keras.layers.Dense(3),
    "convolution": lambda: keras.layers.Conv1D(3, 2, padding="same"),
}
# The masks of the outputs: of each step, of each group of two steps, or of each sequence.
GROUPS = np.pad(MASK, [(0, 0), (0, 0), (0, 1)]).reshape(2, 3, 3, 2).any(-1)
OUTPUT_MASKS = {
    "pooling": MASK.any(-1),
    "attention": MASK,
    "heads": MASK,
    "last state": MASK.any(-1),
    "states": MASK,
    "time reduction": GROUPS,
    "dense": MASK,
    "convolution": None,
}


def numpy(x):
    return ops.convert_to_numpy(x)


def call_in_loop(layer, inputs, mask):
    """Call the wrapped layer for each sequence alone."""
    takes_mask = not isinstance(layer, keras.layers.Dense | keras.layers.Conv1D)
    rows = []
    for sequences, masks in zip(inputs, mask, strict=True):
        options = [{"mask": m[None]} if takes_mask else {} for m in masks]
        pairs = zip(sequences, options, strict=True)
        rows.append([numpy(layer(x[None], **option))[0] for x, option in pairs])
    return np.array(rows)


@pytest.mark.parametrize("name", LAYERS)
def test_output_equals_a_loop_over_the_sequences(name):
    layer = EachStep(LAYERS[name]())
    output = numpy(layer(INPUTS, mask=MASK))
    np.testing.assert_allclose(output, call_in_loop(layer.layer, INPUTS, MASK), atol=1e-6)
    assert [v.path for v in layer.weights] == [v.path for v in layer.layer.weights]


def test_pooling_of_each_step_equals_the_reference():
    layer = EachStep(keras_attention.AttentionPooling(2))
    outputs = layer(INPUTS, mask=MASK, return_attention_scores=True)
    weights = [numpy(w).astype("float64") for w in layer.weights]
    for sample in range(2):
        expected = reference.for_each_sequence(
            lambda x, m: reference_recurrent.pooling(x, m, *weights), INPUTS[sample], MASK[sample]
        )
        for output, correct in zip(outputs, expected, strict=True):
            np.testing.assert_allclose(numpy(output)[sample], correct, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", LAYERS)
def test_output_has_a_keras_mask_of_its_own_shape(name, tmp_path):
    ids = keras.Input((None, None), dtype="int32")
    embedding = keras.layers.Embedding(9, 4, mask_zero=True)
    vectors = embedding(ids)
    output = EachStep(LAYERS[name]())(vectors)
    if OUTPUT_MASKS[name] is None:
        assert getattr(output, "_keras_mask", None) is None
        return
    model = keras.Model(ids, [output, output._keras_mask])
    assert len(model.layers) == 3  # the computation of the mask adds no layer
    model.save(tmp_path / "model.keras")
    for m in (model, keras.saving.load_model(tmp_path / "model.keras")):
        values, mask = m.predict_on_batch(IDS)
        np.testing.assert_array_equal(mask, OUTPUT_MASKS[name])
        np.testing.assert_allclose(values, numpy(model(IDS)[0]), atol=1e-6)
    if keras.backend.backend() != "jax":  # JAX's arrays have no attributes
        eager = EachStep(LAYERS[name]())(embedding(ops.convert_to_tensor(IDS)))
        np.testing.assert_array_equal(numpy(eager._keras_mask), OUTPUT_MASKS[name])


def test_hierarchical_network_does_not_depend_on_padding():
    ids = keras.Input((None, None), dtype="int32")
    x = keras.layers.Embedding(9, 4, mask_zero=True)(ids)
    x = EachStep(keras_attention.TimeReduction())(x)
    x = EachStep(keras.layers.GRU(3, use_cudnn=False))(x)
    x = keras_attention.AttentionPooling()(x)
    model = keras.Model(ids, x)
    padded = np.pad(IDS, [(0, 0), (0, 2), (0, 3)])
    np.testing.assert_allclose(numpy(model(padded)), numpy(model(IDS)), atol=1e-6)


def test_training_reaches_the_layer():
    layer = EachStep(keras_attention.AttentionPooling(dropout=0.5, seed=1))
    assert np.abs(numpy(layer(INPUTS, training=True)) - numpy(layer(INPUTS))).max() > 0.1


def test_built_layer_keeps_its_weights():
    inner = keras.layers.Dense(2)
    inner.build((None, None, 4))
    kernel = numpy(inner.kernel)
    EachStep(inner)(INPUTS)
    np.testing.assert_array_equal(numpy(inner.kernel), kernel)


@pytest.mark.parametrize("shape", [(2, 3, 4), (2, 3, 5, 4, 1)])
def test_inputs_of_another_rank_are_refused(shape):
    with pytest.raises(ValueError, match=r"Expected `inputs` \(batch, S, T, D\).*Received: inputs"):
        EachStep(keras.layers.Dense(2))(np.ones(shape, "float32"))


def test_scores_of_a_layer_without_scores_are_refused():
    with pytest.raises(ValueError, match="Received: return_attention_scores=True, layer=<Dense"):
        EachStep(keras.layers.Dense(2))(INPUTS, return_attention_scores=True)


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 4), (2, 5)])
def test_mask_of_another_shape_is_refused(shape):
    with pytest.raises(ValueError, match="Expected `mask` of shape"):
        EachStep(keras.layers.GRU(2))(INPUTS, mask=np.ones(shape, bool))
